using System.Runtime.CompilerServices;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>A thread's own buffers, kept between calls, grown on demand, aligned to cache lines.</summary>
internal static unsafe class Scratch
{
    private const int Slots = 7;

    [ThreadStatic]
    private static byte[]?[]? s_buffers;

    /// <summary>A buffer of at least <paramref name="count"/> elements with undefined contents; one slot has one user at a time.</summary>
    public static T* Get<T>(int slot, long count)
        where T : unmanaged
    {
        byte[]?[] buffers = s_buffers ??= new byte[Slots][];
        long bytes = count * sizeof(T) + 64;
        if (buffers[slot] is not { } buffer || buffer.LongLength < bytes)
        {
            // Pinned, so that the pointer outlives this call; a power of two, so that growing contexts do not allocate each time.
            buffer = GC.AllocateUninitializedArray<byte>(checked((int)long.Max(4096, (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)bytes))), pinned: true);
            buffers[slot] = buffer;
        }

        nint address = (nint)Unsafe.AsPointer(ref buffer[0]);
        return (T*)((address + 63) & ~63);
    }
}
