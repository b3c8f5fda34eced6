using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Arithmetic;

/// <summary>
/// binary16 and bfloat16 to f32 (exact), and f32 to binary16 in integer operations, as the KV cache stores it: clamped to
/// ±65504, rounded to nearest even, subnormal halves kept. A GPU does the same integer steps, because the rounding of GLSL's
/// packHalf2x16 is not specified.
/// </summary>
public static class HalfConversion
{
    /// <summary>The largest finite binary16 value, and the clamp of <see cref="ToHalf(float)"/>.</summary>
    public const float Maximum = 65504f;

    /// <summary>f32 to the bits of the nearest binary16 (ties to even) within ±65504.</summary>
    /// <param name="value">Not NaN; ±infinity clamps.</param>
    public static ushort ToHalf(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint sign = (bits >> 16) & 0x8000;
        uint magnitude = Math.Min(bits & 0x7FFFFFFF, 0x477FE000); // 65504
        // Normal halves (≥ 2^-14) drop 13 bits; below, the mantissa with its leading 1 is shifted to units of 2^-24.
        // Shifts of 25 and more leave less than half a unit.
        uint shift = Math.Min(126 - Math.Min(magnitude >> 23, 126), 25);
        bool normal = magnitude >= 0x38800000;
        uint significand = normal ? magnitude - 0x38000000 : (magnitude & 0x007FFFFF) | 0x00800000;
        int drop = normal ? 13 : (int)shift;
        uint half = (significand + ((1u << (drop - 1)) - 1) + ((significand >> drop) & 1)) >> drop;
        return (ushort)(sign | half);
    }

    /// <summary>binary16 bits to f32, exact, including subnormals, infinities and NaN.</summary>
    public static float ToSingle(ushort bits) => ToSingle(Vector256.CreateScalar((uint)bits))[0];

    /// <summary>f32 to binary16, elementwise.</summary>
    /// <param name="source">Values, not NaN.</param>
    /// <param name="destination">At least as long.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToHalf(ReadOnlySpan<float> source, Span<ushort> destination)
    {
        destination = destination[..source.Length];
        int i = 0;
        for (; i <= source.Length - 16; i += 16)
        {
            Vector256<uint> low = ToHalf(Vector256.Create(source.Slice(i, 8)));
            Vector256<uint> high = ToHalf(Vector256.Create(source.Slice(i + 8, 8)));
            Vector256.Narrow(low, high).CopyTo(destination[i..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = ToHalf(source[i]);
        }
    }

    /// <summary>binary16 to f32, elementwise, exact.</summary>
    /// <param name="source">binary16 bits.</param>
    /// <param name="destination">At least as long.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ToSingle(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        destination = destination[..source.Length];
        int i = 0;
        for (; i <= source.Length - 16; i += 16)
        {
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Create(source.Slice(i, 16)));
            ToSingle(low).CopyTo(destination[i..]);
            ToSingle(high).CopyTo(destination[(i + 8)..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = ToSingle(source[i]);
        }
    }

    /// <summary>Finite binary16 to f32, elementwise, exact: fewer steps than <see cref="ToSingle(ReadOnlySpan{ushort}, Span{float})"/>.</summary>
    /// <param name="source">binary16 bits, neither infinite nor NaN, as those that <see cref="ToHalf(float)"/> makes.</param>
    /// <param name="destination">At least as long.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void FiniteToSingle(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        destination = destination[..source.Length];
        int i = 0;
        for (; i <= source.Length - 16; i += 16)
        {
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Create(source.Slice(i, 16)));
            HalfWords.Even(low.AsInt32()).CopyTo(destination[i..]);
            HalfWords.Even(high.AsInt32()).CopyTo(destination[(i + 8)..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = ToSingle(source[i]);
        }
    }

    /// <summary>bfloat16 to f32, elementwise, exact.</summary>
    /// <param name="source">bfloat16 bits.</param>
    /// <param name="destination">At least as long.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void BFloat16ToSingle(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(destination[..source.Length]);
        int i = 0;
        for (; i <= source.Length - 16; i += 16)
        {
            (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Create(source.Slice(i, 16)));
            (low << 16).CopyTo(bits[i..]);
            (high << 16).CopyTo(bits[(i + 8)..]);
        }

        for (; i < source.Length; i++)
        {
            bits[i] = (uint)source[i] << 16;
        }
    }

    /// <summary>Eight halves, one per 32-bit lane (upper half 0), to f32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<float> ToSingle(Vector256<uint> halves)
    {
        Vector256<uint> magnitude = halves & Vector256.Create(0x7FFFu);
        Vector256<uint> sign = (halves & Vector256.Create(0x8000u)) << 16;
        // Exponent and mantissa moved into place read 2^-112 too small, subnormals included: the product is exact.
        Vector256<uint> value = ((magnitude << 13).AsSingle() * Vector256.Create(5.192296858534828e33f)).AsUInt32();
        Vector256<uint> special = Vector256.GreaterThan(magnitude, Vector256.Create(0x7BFFu)) & Vector256.Create(0x7F800000u);
        return (value | special | sign).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> ToHalf(Vector256<float> values)
    {
        Vector256<uint> bits = values.AsUInt32();
        Vector256<uint> sign = (bits >> 16) & Vector256.Create(0x8000u);
        Vector256<uint> magnitude = Vector256.Min(bits & Vector256.Create(0x7FFFFFFFu), Vector256.Create(0x477FE000u));
        Vector256<uint> significand = magnitude - Vector256.Create(0x38000000u);
        Vector256<uint> normal = (significand + Vector256.Create(0xFFFu) + ((significand >> 13) & Vector256<uint>.One)) >> 13;
        // Below 2^-14: adding 0.5 aligns the value to units of 2^-24 in the low mantissa bits, rounded to nearest even by the
        // addition itself.
        Vector256<uint> subnormal = (magnitude.AsSingle() + Vector256.Create(0.5f)).AsUInt32() - Vector256.Create(0x3F000000u);
        Vector256<uint> isNormal = Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(0x38800000u));
        return sign | Vector256.ConditionalSelect(isNormal, normal, subnormal);
    }
}
