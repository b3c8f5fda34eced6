using Portable.Vulkan.Devices;
using Portable.Vulkan.Instances;
using Silk.NET.Vulkan;

namespace Portable.Vulkan.Engine;

using Device = Silk.NET.Vulkan.Device;

/// <summary>A row of device timestamps, written by <see cref="CommandRecorder.Timestamp"/> and read after the work is done.</summary>
internal sealed unsafe class TimestampPool : IDisposable
{
    private readonly Vk _api;
    private readonly Device _device;
    private readonly double _period;
    private readonly ulong _mask;

    internal TimestampPool(Vk api, Device device, VulkanDeviceFacts facts, int count)
    {
        (_api, _device, _period, Count) = (api, device, facts.TimestampPeriod, count);
        _mask = ulong.MaxValue >> (64 - facts.TimestampBits);
        var info = new QueryPoolCreateInfo { SType = StructureType.QueryPoolCreateInfo, QueryType = QueryType.Timestamp, QueryCount = (uint)count };
        QueryPool pool;
        VulkanException.Check(api.CreateQueryPool(device, &info, null, &pool), "Creating timestamps");
        Handle = pool;
        Reset();
    }

    /// <summary>How many there are.</summary>
    public int Count { get; }

    internal QueryPool Handle { get; }

    /// <summary>Makes them ready to be written again; nothing that writes them may be running.</summary>
    public void Reset() => _api.ResetQueryPool(_device, Handle, 0, (uint)Count);

    /// <summary>Nanoseconds of every timestamp since the first.</summary>
    public double[] ReadNanoseconds() => ReadNanoseconds(Count);

    /// <summary>The shortest of some runs of the same commands, in nanoseconds; the pool has two timestamps or more.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="rounds">Runs, each waited for.</param>
    /// <param name="record">Records the commands.</param>
    public double Fastest(VulkanContext gpu, int rounds, Action<CommandRecorder> record)
    {
        double best = double.MaxValue;
        for (int round = 0; round < rounds; round++)
        {
            Reset();
            gpu.Run(r =>
            {
                r.Timestamp(this, 0);
                record(r);
                r.Timestamp(this, 1);
            });
            best = Math.Min(best, ReadNanoseconds(2)[1]);
        }

        return best;
    }

    /// <summary>Nanoseconds of the first timestamps since the very first, once all of them are written.</summary>
    /// <param name="count">How many; every one of them must be written by submitted work, or this waits for ever.</param>
    public double[] ReadNanoseconds(int count)
    {
        ulong[] ticks = new ulong[count];
        VulkanException.Check(Read(ticks, QueryResultFlags.ResultWaitBit), "Reading timestamps");
        return SinceFirst(ticks);
    }

    /// <summary>The same without waiting: null where one is missing, as after work that a reset has cut short.</summary>
    /// <param name="count">How many.</param>
    public double[]? TryReadNanoseconds(int count)
    {
        ulong[] ticks = new ulong[count];
        Result result = Read(ticks, QueryResultFlags.None);
        if (result == Result.NotReady)
        {
            return null;
        }

        VulkanException.Check(result, "Reading timestamps");
        return SinceFirst(ticks);
    }

    private Result Read(ulong[] ticks, QueryResultFlags flags)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ticks.Length, Count);
        fixed (ulong* p = ticks)
        {
            return _api.GetQueryPoolResults(_device, Handle, 0, (uint)ticks.Length, (nuint)(8 * ticks.Length), p, 8, QueryResultFlags.Result64Bit | flags);
        }
    }

    private double[] SinceFirst(ulong[] ticks) => [.. ticks.Select(t => ((t - ticks[0]) & _mask) * _period)];

    /// <inheritdoc/>
    public void Dispose() => _api.DestroyQueryPool(_device, Handle, null);
}
