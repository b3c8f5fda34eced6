using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Calibration;

/// <summary>
/// A long run of kernels, one after the other, submitted in pieces that no watchdog minds and waited for once. What it names must outlive it.
/// </summary>
internal sealed class Submissions(VulkanContext gpu) : IDisposable
{
    // Submissions that wait or run: others of the device come in between.
    private const int MostLists = 3;

    private readonly List<CommandList> _lists = [];
    private CommandRecorder? _recorder;
    private double _work;

    /// <summary>The device.</summary>
    public VulkanContext Gpu => gpu;

    /// <summary>f64 operations of one submission.</summary>
    public double MostWork { get; } = DoubleRate.MostWork(gpu);

    /// <summary>Records what comes after everything recorded so far.</summary>
    /// <param name="record">Records it.</param>
    /// <param name="work">Operations, roughly.</param>
    public void Run(Action<CommandRecorder> record, double work = 1e6)
    {
        if (_work + work > MostWork)
        {
            Submit();
        }

        _work += work;
        _recorder ??= gpu.Record();
        record(_recorder);
        _recorder.Barrier();
    }

    /// <summary>Waits until everything has run.</summary>
    public void Wait()
    {
        Submit();
        foreach (CommandList list in _lists)
        {
            list.Dispose();
        }

        _lists.Clear();
    }

    /// <summary>Waits and releases.</summary>
    public void Dispose() => Wait();

    private void Submit()
    {
        if (_recorder is { } recorder)
        {
            _recorder = null;
            _work = 0;
            if (_lists.Count == MostLists)
            {
                _lists[0].Dispose();
                _lists.RemoveAt(0);
            }

            CommandList list = recorder.End();
            _lists.Add(list);
            gpu.Submit(list);
        }
    }
}
