using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Instances;
using Silk.NET.Vulkan;
using Semaphore = Silk.NET.Vulkan.Semaphore;

namespace Portable.Vulkan.Engine;

using Device = Silk.NET.Vulkan.Device;

/// <summary>
/// An opened device: allocates buffers, makes kernels, records and submits commands. All members may be called from any
/// thread; submissions run in the order of the calls.
/// </summary>
/// <example>
/// <code>
/// using VulkanContext gpu = VulkanContext.Open(VulkanDevices.Select());
/// StreamShader shader = new() { Workgroup = 256, Unroll = 4 };
/// using CommandList list = gpu.Record().Dispatch(shader, new StreamPush(…), groups).Barrier().Dispatch(…).End();
/// gpu.Wait(gpu.Submit(list));   // again and again
/// </code>
/// </example>
internal sealed unsafe class VulkanContext : IDisposable
{
    // Linux amdgpu and Windows reset a device whose submission runs for longer.
    private static readonly TimeSpan DefaultWatchdog = TimeSpan.FromSeconds(2);

    private readonly VulkanInstance _instance;
    private readonly MemoryPool _memory;
    private readonly PipelineStore _pipelines;
    private readonly StagingRing _staging;
    private readonly Queue _queue;
    private readonly Semaphore _timeline;
    private readonly Lock _submit = new();
    private ulong _ticket;
    private bool _disposed;

    private VulkanContext(VulkanInstance instance, VulkanDeviceFacts facts)
    {
        (_instance, Api, Facts) = (instance, instance.Api, facts);
        Watchdog = facts.Kind == VulkanDeviceKind.Cpu ? Timeout.InfiniteTimeSpan : DefaultWatchdog;
        PhysicalDevice physical = DeviceQuery.Enumerate(instance)[facts.Index];
        Device = DeviceCreation.Create(Api, physical, facts, out uint family, out _queue);
        QueueFamily = family;
        _staging = new StagingRing(this);
        _memory = new MemoryPool(Api, Device, physical, facts, FinishWork);
        _pipelines = new PipelineStore(instance, Device, facts);
        var type = new SemaphoreTypeCreateInfo { SType = StructureType.SemaphoreTypeCreateInfo, SemaphoreType = SemaphoreType.Timeline };
        var info = new SemaphoreCreateInfo { SType = StructureType.SemaphoreCreateInfo, PNext = &type };
        Semaphore timeline;
        VulkanException.Check(Api.CreateSemaphore(Device, &info, null, &timeline), "Creating a semaphore");
        _timeline = timeline;
    }

    /// <summary>The device's facts (with the environment's mask applied).</summary>
    public VulkanDeviceFacts Facts { get; }

    /// <summary>Failures that a test asks for, or null.</summary>
    public FaultInjection? Faults { get; set; }

    /// <summary>
    /// How long a submission may run before the system may take the device for hung: two seconds, and without limit on software
    /// devices. Longer work is cut into submissions; results that come after it are not trusted.
    /// </summary>
    public TimeSpan Watchdog { get; set; }

    /// <summary>Bytes of the device's own memory handed out to buffers.</summary>
    public long UsedBytes => _memory.UsedBytes;

    /// <summary>Bytes taken from the driver.</summary>
    public long ReservedBytes => _memory.ReservedBytes;

    /// <summary>Bytes of the device's memory that nothing of this process takes.</summary>
    public long FreeBytes => Facts.MemoryBytes - UsedBytes;

    /// <summary>The most bytes of the device's own memory that were taken from the driver at one time.</summary>
    public long PeakDeviceBytes => _memory.PeakDeviceBytes;

    internal Vk Api { get; }

    /// <summary>Executors that found workgroups waiting for others in vain.</summary>
    internal int GivenUpLinks;

    // Of a wait that is watched.
    private const double SleptPart = 0.75;
    private static readonly TimeSpan LongestWatched = TimeSpan.FromMilliseconds(5);

    // Software devices build a kernel when it first runs, which can take long on a busy machine.
    private ulong WaitNanoseconds => (Facts.CompiledForHost ? 900ul : 120ul) * 1_000_000_000;

    internal Device Device { get; }

    internal uint QueueFamily { get; }

    /// <summary>Opens a device.</summary>
    /// <param name="facts">As chosen by <see cref="VulkanDevices.Select(string?)"/>.</param>
    /// <exception cref="VulkanException">It cannot be opened.</exception>
    public static VulkanContext Open(VulkanDeviceFacts facts)
    {
        if (facts.Refusal is { } refusal)
        {
            throw new VulkanException($"{facts.Name} cannot serve: {refusal}.");
        }

        VulkanInstance instance = VulkanInstance.TryAcquire(out string? reason) ?? throw new VulkanException($"No Vulkan: {reason}.");
        try
        {
            return new VulkanContext(instance, facts);
        }
        catch
        {
            instance.Dispose();
            throw;
        }
    }

    /// <summary>Allocates a buffer; its content is undefined.</summary>
    /// <param name="bytes">Bytes; rounded up to a multiple of 256.</param>
    /// <param name="kind">Where.</param>
    /// <exception cref="VulkanException">The device has no room.</exception>
    public GpuBuffer Allocate(long bytes, MemoryKind kind = MemoryKind.Device)
    {
        VulkanException.Check(Faults?.NextAllocation() ?? Result.Success, $"Allocating {bytes >> 20} MiB on the device");
        return _memory.Allocate(bytes, kind);
    }

    /// <summary>Allocates a device buffer and fills it.</summary>
    public GpuBuffer Allocate<T>(ReadOnlySpan<T> data)
        where T : unmanaged
    {
        GpuBuffer buffer = Allocate((long)data.Length * sizeof(T));
        try
        {
            Upload(data, buffer);
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }

    /// <summary>Every kernel that has been built.</summary>
    internal IReadOnlyList<(Shader Shader, ComputePipeline Pipeline)> Pipelines => _pipelines.Built;

    /// <summary>The kernel of a shader with its constants; made once and kept.</summary>
    internal ComputePipeline Pipeline(Shader shader) => _pipelines.Get(Faults?.Plant?.Invoke(shader) ?? shader);

    /// <summary>Builds kernels that will be needed, on all processors. A software device builds them when they first run: nothing there.</summary>
    /// <param name="builds">Build one kernel or several each. What cannot be built fails again, and is told, where it is used.</param>
    internal void BuildAhead(IEnumerable<Action> builds)
    {
        if (Facts.Kind != VulkanDeviceKind.Cpu)
        {
            // One at a time to a thread: one takes a hundred times as long as another.
            Parallel.ForEach(Partitioner.Create(builds, EnumerablePartitionerOptions.NoBuffering), build =>
            {
                try
                {
                    build();
                }
                catch (Exception e) when (e is VulkanException or InvalidDataException or InvalidOperationException)
                {
                }
            });
        }
    }

    /// <summary>Starts recording.</summary>
    public CommandRecorder Record() => new(this);

    /// <summary>Timestamps to measure with.</summary>
    /// <exception cref="VulkanException">The device has none.</exception>
    public TimestampPool CreateTimestamps(int count) => Facts.TimestampPeriod > 0
        ? new TimestampPool(Api, Device, Facts, count)
        : throw new VulkanException($"{Facts.Name} has no timestamps.");

    /// <summary>Submits a list; it must not be running.</summary>
    /// <param name="list">The list.</param>
    /// <param name="after">The ticket of one that it starts after, or 0; the host waits for neither.</param>
    /// <returns>A ticket for <see cref="Wait"/>.</returns>
    public ulong Submit(CommandList list, ulong after = 0)
    {
        _staging.Flush();
        return SubmitNow(list, after);
    }

    /// <summary>Submits a list ahead of uploads that are still gathering.</summary>
    /// <param name="list">The list.</param>
    /// <param name="after">The ticket that it waits for on the device, 0 for none.</param>
    internal ulong SubmitNow(CommandList list, ulong after = 0)
    {
        lock (_submit)
        {
            Wait(list.LastTicket);
            ulong ticket = _ticket + 1;
            var buffer = new CommandBufferSubmitInfo { SType = StructureType.CommandBufferSubmitInfo, CommandBuffer = list.Handle };
            var signal = new SemaphoreSubmitInfo { SType = StructureType.SemaphoreSubmitInfo, Semaphore = _timeline, Value = ticket, StageMask = PipelineStageFlags2.AllCommandsBit };
            var wait = new SemaphoreSubmitInfo { SType = StructureType.SemaphoreSubmitInfo, Semaphore = _timeline, Value = after, StageMask = PipelineStageFlags2.AllCommandsBit };
            var submit = new SubmitInfo2
            {
                SType = StructureType.SubmitInfo2,
                WaitSemaphoreInfoCount = after == 0 ? 0u : 1,
                PWaitSemaphoreInfos = &wait,
                CommandBufferInfoCount = 1,
                PCommandBufferInfos = &buffer,
                SignalSemaphoreInfoCount = 1,
                PSignalSemaphoreInfos = &signal,
            };
            Result fault = Faults?.NextSubmission() ?? Result.Success;
            if (Faults?.RunsNothing == true)
            {
                return list.LastTicket;
            }

            VulkanException.Check(fault != Result.Success ? fault : Api.QueueSubmit2(_queue, 1, &submit, default), "Submitting work");
            list.LastTicket = _ticket = ticket;
            return ticket;
        }
    }

    /// <summary>Waits for a submission and all before it.</summary>
    /// <exception cref="VulkanException">The device was lost, or did not finish within two minutes (software devices: fifteen).</exception>
    public void Wait(ulong ticket)
    {
        Semaphore semaphore = _timeline;
        var info = new SemaphoreWaitInfo { SType = StructureType.SemaphoreWaitInfo, SemaphoreCount = 1, PSemaphores = &semaphore, PValues = &ticket };
        Result result = ticket == 0 ? Result.Success : Api.WaitSemaphores(Device, &info, WaitNanoseconds);
        if (result != Result.Success)
        {
            throw new VulkanException("Waiting for the device", result);
        }
    }

    /// <summary>
    /// Waits for a submission that is known to be short. A system wakes whoever waits for a device some tens of microseconds late, which is felt where a
    /// step takes a millisecond: most of the time is slept, the end of it watched.
    /// </summary>
    /// <param name="ticket">The submission.</param>
    /// <param name="expected">How long it may take from now; zero: not known.</param>
    /// <exception cref="VulkanException">As <see cref="Wait"/>.</exception>
    internal void Watch(ulong ticket, TimeSpan expected)
    {
        if (expected > TimeSpan.Zero && expected < LongestWatched && Environment.ProcessorCount > 1 && Facts.Kind != VulkanDeviceKind.Cpu)
        {
            long begun = Stopwatch.GetTimestamp();
            Semaphore semaphore = _timeline;
            var info = new SemaphoreWaitInfo { SType = StructureType.SemaphoreWaitInfo, SemaphoreCount = 1, PSemaphores = &semaphore, PValues = &ticket };
            Api.WaitSemaphores(Device, &info, (ulong)(expected.TotalNanoseconds * SleptPart));
            ulong reached = 0;
            while (Stopwatch.GetElapsedTime(begun) < 2 * expected && Api.GetSemaphoreCounterValue(Device, semaphore, &reached) == Result.Success && reached < ticket)
            {
                Thread.SpinWait(4);
            }
        }

        Wait(ticket);
    }

    /// <summary>Waits for everything submitted so far.</summary>
    internal void WaitForSubmitted()
    {
        ulong ticket;
        lock (_submit)
        {
            ticket = _ticket;
        }

        Wait(ticket);
    }

    /// <summary>Waits before something is released: a lost device runs nothing any more, so its loss is no reason to stop.</summary>
    internal void WaitBeforeRelease(ulong ticket) => UnlessLost(() => Wait(ticket));

    // Before memory goes back to the driver: nothing may read or write it any more.
    private void FinishWork()
    {
        UnlessLost(_staging.Flush);
        WaitBeforeRelease(_ticket);
    }

    private static void UnlessLost(Action action)
    {
        try
        {
            action();
        }
        catch (VulkanException e) when (e.Code == Result.ErrorDeviceLost)
        {
        }
    }

    /// <summary>Records, submits and waits.</summary>
    public void Run(Action<CommandRecorder> record)
    {
        CommandRecorder recorder = Record();
        try
        {
            record(recorder);
        }
        catch
        {
            recorder.End().Dispose();
            throw;
        }

        using CommandList list = recorder.End();
        Wait(Submit(list));
    }

    /// <summary>Copies host data into a buffer; later submissions see it.</summary>
    public void Upload<T>(ReadOnlySpan<T> data, GpuBuffer target, long byteOffset = 0)
        where T : unmanaged => _staging.Upload(MemoryMarshal.AsBytes(data), target, byteOffset);

    /// <summary>Copies a buffer to the host, after everything submitted so far.</summary>
    public void Download<T>(GpuBuffer source, Span<T> data, long byteOffset = 0)
        where T : unmanaged => _staging.Download(source, MemoryMarshal.AsBytes(data), byteOffset);

    /// <summary>Waits for the device and releases everything made here.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        Api.DeviceWaitIdle(Device);
        _staging.Dispose();
        _pipelines.Dispose();
        _memory.Dispose();
        Api.DestroySemaphore(Device, _timeline, null);
        Api.DestroyDevice(Device, null);
        _instance.Dispose();
    }
}
