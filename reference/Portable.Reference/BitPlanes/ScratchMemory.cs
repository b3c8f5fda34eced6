using System.Runtime.InteropServices;

namespace Portable.Reference.BitPlanes;

/// <summary>
/// Per-thread working memory of the matmul, aligned to a cache line, kept between calls so that a token step allocates
/// nothing. Each use has its own slot; a slot's content is lost when it grows.
/// </summary>
internal sealed unsafe class ScratchMemory
{
    private const nuint Alignment = 64;

    [ThreadStatic]
    private static ScratchMemory? s_current;

    private readonly nint[] _blocks = new nint[Enum.GetValues<Slot>().Length];
    private readonly nuint[] _sizes = new nuint[Enum.GetValues<Slot>().Length];

    ~ScratchMemory()
    {
        foreach (nint block in _blocks)
        {
            NativeMemory.AlignedFree((void*)block);
        }
    }

    /// <summary>What the memory is for.</summary>
    public enum Slot
    {
        /// <summary>Activations in a kernel's order (of the calling thread, read by all).</summary>
        Activations,

        /// <summary>Expanded weights.</summary>
        Weights,

        /// <summary>Int32 sums before the epilogue.</summary>
        Sums,
    }

    /// <summary>At least <paramref name="bytes"/> bytes, aligned to 64; content undefined.</summary>
    public static byte* Get(Slot slot, long bytes)
    {
        ScratchMemory current = s_current ??= new ScratchMemory();
        nuint size = checked((nuint)bytes);
        int index = (int)slot;
        if (current._sizes[index] < size)
        {
            NativeMemory.AlignedFree((void*)current._blocks[index]);
            current._blocks[index] = 0;
            current._blocks[index] = (nint)NativeMemory.AlignedAlloc(size, Alignment);
            current._sizes[index] = size;
        }

        return (byte*)current._blocks[index];
    }
}
