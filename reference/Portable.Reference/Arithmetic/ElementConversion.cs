using System.Runtime.InteropServices;

namespace Portable.Reference.Arithmetic;

/// <summary>Elements of a table to canonical f32: exact, then <see cref="Contract.Canonical"/> (binary16 values are never touched by it).</summary>
internal static class ElementConversion
{
    /// <summary>Bytes of one element.</summary>
    public static int SizeOf(ElementType type) => type == ElementType.Float32 ? 4 : 2;

    /// <summary>Converts elements to canonical f32.</summary>
    /// <param name="source">Little-endian elements; exactly as many as <paramref name="destination"/> has room for.</param>
    /// <param name="type">Their type.</param>
    /// <param name="destination">Receives the values.</param>
    /// <exception cref="ArgumentException">The lengths do not match.</exception>
    public static void ToSingle(ReadOnlySpan<byte> source, ElementType type, Span<float> destination)
    {
        if (source.Length != (long)destination.Length * SizeOf(type))
        {
            throw new ArgumentException($"{source.Length} bytes are not {destination.Length} elements of {type}.", nameof(source));
        }

        switch (type)
        {
            case ElementType.Float32:
                VectorContract.Canonical(MemoryMarshal.Cast<byte, float>(source), destination);
                break;
            case ElementType.Float16:
                HalfConversion.ToSingle(MemoryMarshal.Cast<byte, ushort>(source), destination);
                VectorContract.Canonical(destination, destination);
                break;
            default:
                HalfConversion.BFloat16ToSingle(MemoryMarshal.Cast<byte, ushort>(source), destination);
                VectorContract.Canonical(destination, destination);
                break;
        }
    }
}
