using Portable.Vulkan.Engine;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>
/// The rows that the dispatches of one step leave for each other where no barriers order them (shaders/include/links.glsl): each in memory of
/// its own, all of whose words are absent when the step begins.
/// </summary>
/// <remarks>
/// A pass is gone through twice. The first time says how much memory there is to be, and which rows are also read by what is ordered by barriers, and
/// so have to be left where they belong as well.
/// </remarks>
internal sealed class LinkedRows : IDisposable
{
    private const uint Absent = 0xFFFFFFFF;

    // Rows start on 32 bytes, as memory is read.
    private const long Alignment = 8;

    private readonly List<Visit> _visits = [];
    private readonly Dictionary<IDeviceMemory, long> _current = [];
    private long _words;
    private int _next;
    private GpuBuffer? _rows, _undone;

    /// <summary>Rows that dispatches leave for others.</summary>
    public int Count { get; private set; }

    /// <summary>Whether a wait has come to nothing: what the last run left is worthless.</summary>
    public bool Undone => _undone!.AsSpan<uint>()[0] != 0;

    /// <summary>Where dispatches say so.</summary>
    public ulong UndoneAddress => _undone?.Address ?? 0;

    /// <summary>Whether no dispatch leaves a row for another.</summary>
    public bool IsEmpty => _words == 0;

    /// <summary>Begins the second time, with memory.</summary>
    public void Begin(VulkanContext gpu)
    {
        _undone = gpu.Allocate(sizeof(uint), MemoryKind.Readback);
        _rows = gpu.Allocate(_words * sizeof(uint));
        Forget();
        _current.Clear();
        (_words, _next, Count) = (0, 0, 0);
    }

    /// <summary>Forgets what the last run has left.</summary>
    public void Forget() => _undone!.AsSpan<uint>()[0] = 0;

    /// <summary>Records that no word is there.</summary>
    public void Record(CommandRecorder recorder)
    {
        if (_rows is { } rows)
        {
            recorder.Fill(rows, 0, rows.Size, Absent);
        }
    }

    /// <summary>Where an activation's row is now, or null: where it belongs.</summary>
    public ulong? Find(IDeviceMemory activation) => _current.TryGetValue(activation, out long words) ? Address(words) : null;

    /// <summary>A row that a linked dispatch leaves.</summary>
    /// <returns>Where, and whether it has to be left where it belongs too.</returns>
    public (ulong Address, bool Plain) Add(VulkanActivation activation, int columns)
    {
        long words = _words;
        _words += (columns + Alignment - 1) / Alignment * Alignment;
        _current[activation] = words;
        Count++;
        return (Address(words), Visited(activation));
    }

    /// <summary>Notes what an operation that barriers order reads and writes.</summary>
    public void Pass(ReadOnlySpan<IDeviceMemory?> reads, ReadOnlySpan<IDeviceMemory?> writes)
    {
        foreach (IDeviceMemory? read in reads)
        {
            Touch(read);
        }

        foreach (IDeviceMemory? write in writes)
        {
            Touch(write);
            if (write is not null)
            {
                _current.Remove(write);
            }
        }
    }

    public void Dispose()
    {
        _rows?.Dispose();
        _undone?.Dispose();
    }

    private ulong Address(long words) => (_rows?.Address ?? 0) + ((ulong)words * sizeof(uint));

    private void Touch(IDeviceMemory? memory)
    {
        if (_rows is null && memory is VulkanActivation)
        {
            _visits.Add(new Visit(memory, false));
        }
        else if (memory is VulkanActivation)
        {
            _next++;
        }
    }

    private bool Visited(VulkanActivation activation)
    {
        if (_rows is null)
        {
            _visits.Add(new Visit(activation, true));
            return false;
        }

        // Until it is left again; after the pass the host may read what has memory of its own.
        int next = _visits.FindIndex(++_next, v => v.Activation == activation);
        return next < 0 ? activation.Memory == activation : !_visits[next].Linked;
    }

    private readonly record struct Visit(IDeviceMemory Activation, bool Linked);
}

/// <summary>What a linked dispatch is told: addresses of rows, null for those that are where they belong.</summary>
/// <param name="X">The row that it reads.</param>
/// <param name="Residual">What it adds to.</param>
/// <param name="Y">What it leaves.</param>
/// <param name="Plain">Whether it leaves that where it belongs, too or alone.</param>
/// <param name="Undone">Where it says that it waited in vain.</param>
internal readonly record struct LinkedPlaces(ulong? X, ulong? Residual, ulong? Y, bool Plain, ulong Undone);
