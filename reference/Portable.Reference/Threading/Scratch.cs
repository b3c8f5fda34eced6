using System.Numerics;
using System.Runtime.InteropServices;

namespace Portable.Reference.Threading;

/// <summary>
/// A thread's own working memory, aligned to a cache line, kept between calls so that a token step allocates nothing. A slot has
/// one user at a time; its content is lost when it grows.
/// </summary>
internal sealed unsafe class Scratch
{
    /// <summary>Slots of the matmul, which may run while float operations hold theirs: activations in a kernel's order (of the calling thread, read by all).</summary>
    public const int Activations = 7;

    /// <summary>Expanded weights.</summary>
    public const int Weights = 8;

    /// <summary>Int32 sums before the epilogue.</summary>
    public const int Sums = 9;

    /// <summary>Planes of weights that memory has in another form.</summary>
    public const int Planes = 10;

    private const int Slots = 11;
    private const nuint Alignment = 64;
    private const ulong Least = 4096;

    [ThreadStatic]
    private static Scratch? s_current;

    private readonly nint[] _blocks = new nint[Slots];
    private readonly nuint[] _sizes = new nuint[Slots];

    ~Scratch()
    {
        foreach (nint block in _blocks)
        {
            NativeMemory.AlignedFree((void*)block);
        }
    }

    /// <summary>At least <paramref name="count"/> elements with undefined contents.</summary>
    /// <param name="slot">0 … 6 for float operations, each of which numbers its own; the matmul's have names.</param>
    /// <param name="count">Elements.</param>
    public static T* Get<T>(int slot, long count)
        where T : unmanaged
    {
        Scratch current = s_current ??= new Scratch();
        nuint size = checked((nuint)count * (nuint)sizeof(T));
        if (current._sizes[slot] < size)
        {
            NativeMemory.AlignedFree((void*)current._blocks[slot]);
            (current._blocks[slot], current._sizes[slot]) = (0, 0);
            // A power of two, so that growing contexts do not allocate each time; what is not touched costs nothing.
            size = checked((nuint)ulong.Max(Least, BitOperations.RoundUpToPowerOf2(size)));
            current._blocks[slot] = (nint)NativeMemory.AlignedAlloc(size, Alignment);
            current._sizes[slot] = size;
        }

        return (T*)current._blocks[slot];
    }
}
