using Portable.Vulkan.Model;

namespace Portable.Cli.Benchmarking;

/// <summary>What a decode step takes of a GPU.</summary>
/// <param name="Dispatches">Dispatches of one step.</param>
/// <param name="Submissions">Submissions of one step.</param>
/// <param name="HostMicroseconds">Median of a step's time less the wait for the device.</param>
/// <param name="MemoryBytes">Device memory in use, from the allocator's own count.</param>
/// <param name="LongestSubmissionMilliseconds">The longest submission by the device's own timestamps: with <c>--profile</c>, and where a pass takes several.</param>
/// <param name="WatchdogMilliseconds">What no submission is to exceed, or null.</param>
internal sealed record GpuStepReport(int Dispatches, long Submissions, double HostMicroseconds, long MemoryBytes, double? LongestSubmissionMilliseconds, double? WatchdogMilliseconds);

/// <summary>Gathers the counts of decode steps on a GPU; does nothing without one.</summary>
/// <param name="gpu">The executor, or null.</param>
internal sealed class GpuSteps(VulkanExecutor? gpu)
{
    private readonly List<double> _host = [];
    private readonly Dictionary<string, double> _milliseconds = [];
    private readonly Dictionary<string, double> _bytes = [];
    private double? _longest;
    private readonly long _firstSubmission = gpu?.Submissions ?? 0;
    private long _submissions;
    private int _dispatches;

    /// <summary>Notes a step that has just run.</summary>
    /// <param name="seconds">Its whole time.</param>
    public void Add(double seconds)
    {
        if (gpu is null)
        {
            return;
        }

        (_submissions, _dispatches) = (gpu.Submissions - _firstSubmission, gpu.Dispatches);
        _longest = gpu.SubmissionMicroseconds.Count == 0 ? _longest : Math.Max(_longest ?? 0, gpu.SubmissionMicroseconds.Max() / 1000);
        _host.Add((seconds - gpu.DeviceWait.TotalSeconds) * 1e6);
        foreach ((string operation, double microseconds, long bytes) in gpu.Profile)
        {
            _milliseconds[operation] = _milliseconds.GetValueOrDefault(operation) + (microseconds / 1000);
            _bytes[operation] = _bytes.GetValueOrDefault(operation) + bytes;
        }
    }

    /// <summary>Milliseconds on the device of each operation over all steps, or null where they were not measured.</summary>
    public IReadOnlyDictionary<string, double>? Operations() => _milliseconds.Count > 0 ? _milliseconds : null;

    /// <summary>Milliseconds that the bytes of each operation take at a rate: the floor of its time, or null where it was not measured.</summary>
    /// <param name="bytesPerSecond">What the device reads.</param>
    public IReadOnlyDictionary<string, double>? Floors(double bytesPerSecond) =>
        _bytes.Count > 0 ? _bytes.ToDictionary(b => b.Key, b => b.Value / bytesPerSecond * 1000) : null;

    /// <summary>The counts, or null without a GPU.</summary>
    public GpuStepReport? Report()
    {
        if (gpu is null || _host.Count == 0)
        {
            return null;
        }

        _host.Sort();
        return new GpuStepReport(
            _dispatches, _submissions / _host.Count, _host[_host.Count / 2], gpu.Context.UsedBytes, _longest,
            gpu.Context.Watchdog == Timeout.InfiniteTimeSpan ? null : gpu.Context.Watchdog.TotalMilliseconds);
    }
}
