using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>Tells where a barrier is needed: an operation touches what one since the last barrier wrote, or writes what one read.</summary>
internal sealed class Hazards
{
    private readonly HashSet<IDeviceMemory> _read = [], _written = [];

    /// <summary>Notes an operation; true: a barrier must precede it.</summary>
    public bool Next(ReadOnlySpan<IDeviceMemory?> reads, ReadOnlySpan<IDeviceMemory?> writes)
    {
        bool barrier = false;
        foreach (IDeviceMemory? read in reads)
        {
            barrier |= read is not null && _written.Contains(read.Memory);
        }

        foreach (IDeviceMemory? write in writes)
        {
            barrier |= write is not null && (_written.Contains(write.Memory) || _read.Contains(write.Memory));
        }

        if (barrier)
        {
            Clear();
        }

        Add(_read, reads);
        Add(_written, writes);
        return barrier;
    }

    /// <summary>Forgets everything: a barrier has been set.</summary>
    public void Clear()
    {
        _read.Clear();
        _written.Clear();
    }

    private static void Add(HashSet<IDeviceMemory> set, ReadOnlySpan<IDeviceMemory?> items)
    {
        foreach (IDeviceMemory? item in items)
        {
            if (item is not null)
            {
                set.Add(item.Memory);
            }
        }
    }
}
