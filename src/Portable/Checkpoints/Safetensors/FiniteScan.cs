using System.Numerics;
using System.Runtime.InteropServices;
using Portable.Reference.Arithmetic;

namespace Portable.Checkpoints.Safetensors;

/// <summary>Finds NaN and infinity in float data: an exponent of all ones, in one vectorised pass over the bits.</summary>
internal static class FiniteScan
{
    /// <summary>Index of the first element that is NaN or infinite, or −1.</summary>
    /// <param name="data">Little-endian elements.</param>
    /// <param name="type">Their type.</param>
    public static int FirstNonFinite(ReadOnlySpan<byte> data, ElementType type) => type switch
    {
        ElementType.Float32 => Scan(MemoryMarshal.Cast<byte, uint>(data), 0x7F800000u),
        ElementType.Float16 => Scan(MemoryMarshal.Cast<byte, ushort>(data), (ushort)0x7C00),
        ElementType.BFloat16 => Scan(MemoryMarshal.Cast<byte, ushort>(data), (ushort)0x7F80),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

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
