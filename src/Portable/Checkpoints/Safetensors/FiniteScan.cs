using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Portable.Reference.Arithmetic;
using Portable.Reference.Threading;

namespace Portable.Checkpoints.Safetensors;

/// <summary>Finds NaN and infinity in float data: an exponent of all ones, in one vectorised pass over the bits.</summary>
internal static class FiniteScan
{
    // A table of a large model is half a gigabyte, and its pages are met here for the first time.
    private const int StretchBytes = 4 << 20;

    /// <summary>Index of the first element that is NaN or infinite, or −1. All threads look.</summary>
    /// <param name="data">Little-endian elements.</param>
    /// <param name="type">Their type.</param>
    public static unsafe int FirstNonFinite(ReadOnlySpan<byte> data, ElementType type)
    {
        int length = data.Length, stretches = (length / StretchBytes) + 1, size = ElementConversion.SizeOf(type);
        int[] found = new int[stretches];
        fixed (byte* start = data)
        {
            byte* first = start;
            WorkerPool.Run(stretches, i =>
            {
                int offset = i * StretchBytes, bad = Scan(new ReadOnlySpan<byte>(first + offset, Math.Min(StretchBytes, length - offset)), type);
                found[i] = bad < 0 ? -1 : (offset / size) + bad;
            });
        }

        return found.FirstOrDefault(bad => bad >= 0, -1);
    }

    private static int Scan(ReadOnlySpan<byte> data, ElementType type) => type switch
    {
        ElementType.Float32 => Scan(MemoryMarshal.Cast<byte, uint>(data), 0x7F800000u),
        ElementType.Float16 => Scan(MemoryMarshal.Cast<byte, ushort>(data), (ushort)0x7C00),
        ElementType.BFloat16 => Scan(MemoryMarshal.Cast<byte, ushort>(data), (ushort)0x7F80),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

    // Loading looks once: this loop cannot wait for the JIT's second tier.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Scan<T>(ReadOnlySpan<T> bits, T exponent)
        where T : unmanaged, IBinaryInteger<T>
    {
        Vector<T> mask = new(exponent);
        int i = 0;
        for (; i <= bits.Length - Vector<T>.Count; i += Vector<T>.Count)
        {
            if (Vector.EqualsAny(new Vector<T>(bits[i..]) & mask, mask))
            {
                break;
            }
        }

        for (; i < bits.Length; i++)
        {
            if ((bits[i] & exponent) == exponent)
            {
                return i;
            }
        }

        return -1;
    }
}
