using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Training;

/// <summary>Commands that are recorded for one use; few of them wait or run at a time.</summary>
/// <param name="gpu">The device.</param>
internal sealed class OnceLists(VulkanContext gpu) : IDisposable
{
    private const int Most = 4;
    private readonly Queue<CommandList> _lists = [];

    /// <summary>Records and submits; later submissions see what it wrote.</summary>
    /// <returns>Its ticket.</returns>
    public ulong Run(Action<CommandRecorder> record)
    {
        if (_lists.Count == Most)
        {
            _lists.Dequeue().Dispose();
        }

        CommandRecorder recorder = gpu.Record();
        record(recorder);
        recorder.Barrier();
        CommandList list = recorder.End();
        _lists.Enqueue(list);
        return gpu.Submit(list);
    }

    /// <summary>Waits and releases.</summary>
    public void Dispose()
    {
        foreach (CommandList list in _lists)
        {
            list.Dispose();
        }

        _lists.Clear();
    }
}
