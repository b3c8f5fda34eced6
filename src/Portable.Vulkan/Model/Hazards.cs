namespace Portable.Vulkan.Model;

/// <summary>Tells where a barrier is needed: an operation touches what one since the last barrier wrote, or writes what one read.</summary>
internal sealed class Hazards
{
    private readonly HashSet<object> _read = [], _written = [];

    /// <summary>Notes an operation; true: a barrier must precede it.</summary>
    public bool Next(ReadOnlySpan<object?> reads, ReadOnlySpan<object?> writes)
    {
        bool barrier = false;
        foreach (object? read in reads)
        {
            barrier |= read is not null && _written.Contains(Memory(read));
        }

        foreach (object? write in writes)
        {
            barrier |= write is not null && (_written.Contains(Memory(write)) || _read.Contains(Memory(write)));
        }

        if (barrier)
        {
            _read.Clear();
            _written.Clear();
        }

        Add(_read, reads);
        Add(_written, writes);
        return barrier;
    }

    /// <summary>Activations of shared memory are one thing.</summary>
    private static object Memory(object item) => item is VulkanActivation activation ? activation.Memory : item;

    private static void Add(HashSet<object> set, ReadOnlySpan<object?> objects)
    {
        foreach (object? item in objects)
        {
            if (item is not null)
            {
                set.Add(Memory(item));
            }
        }
    }
}
