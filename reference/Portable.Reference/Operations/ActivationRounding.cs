using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;

namespace Portable.Reference.Operations;

/// <summary>Scale, zero point and codes of one run of values that share a scale (a token, a group, or a head of the KV cache).</summary>
internal static class ActivationRounding
{
    // Beyond every code, and exact as f32 and int: conversion of a clamped value cannot overflow.
    private const float Bound = 1 << 30;

    /// <summary>s = clamp(max|x| · fl(1/Q), 2^-24, 2^14), Q = 2^(b−1)−1; code = clamp(round half even(x · 1/s)) within the format.</summary>
    /// <param name="x">Values.</param>
    /// <param name="format">Signed, 2…8 or 16 bits.</param>
    /// <param name="codes">As many codes.</param>
    public static (float Scale, int ZeroPoint) Symmetric(ReadOnlySpan<float> x, CodeFormat format, Span<int> codes) =>
        (Symmetric(x, format.Minimum, format.Maximum, codes), 0);

    /// <summary>s = clamp(max|x| · fl(1/maximum), 2^-24, 2^14); code = clamp(round half even(x · 1/s), minimum, maximum). Returns s.</summary>
    /// <param name="x">Values.</param>
    /// <param name="minimum">The lowest code.</param>
    /// <param name="maximum">The highest code, which the largest magnitude gets.</param>
    /// <param name="codes">As many codes.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static float Symmetric(ReadOnlySpan<float> x, int minimum, int maximum, Span<int> codes)
    {
        Vector256<float> high = Vector256<float>.Zero;
        int i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<float> wide = Vector512<float>.Zero;
            for (; i <= x.Length - VectorContract.WideLanes; i += VectorContract.WideLanes)
            {
                wide = Vector512.MaxNative(wide, Vector512.Abs(Vector512.Create(x.Slice(i, VectorContract.WideLanes))));
            }

            high = Vector256.MaxNative(wide.GetLower(), wide.GetUpper());
        }

        for (; i <= x.Length - 8; i += 8)
        {
            high = Vector256.MaxNative(high, Vector256.Abs(Vector256.Create(x.Slice(i, 8))));
        }

        float largest = Largest(high);
        for (; i < x.Length; i++)
        {
            largest = MathF.Max(largest, MathF.Abs(x[i]));
        }

        float scale = ClampScale(largest * (1f / maximum));
        Nearest(x, Contract.Reciprocal(scale), 0f, minimum, maximum, codes);
        return scale;
    }

    /// <summary>
    /// lo = min(0, min x), hi = max(0, max x), s = clamp((hi − lo) · fl(1/L), 2^-24, 2^14), L = 2^b−1,
    /// z = clamp(round(−lo · 1/s), 0, L); code = clamp(round(x · 1/s) + z, 0, L), rounding half to even.
    /// </summary>
    /// <param name="x">Values.</param>
    /// <param name="bits">1…8 or 16.</param>
    /// <param name="codes">As many codes, unsigned.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static (float Scale, int ZeroPoint) Asymmetric(ReadOnlySpan<float> x, int bits, Span<int> codes)
    {
        Vector256<float> high = Vector256<float>.Zero, low = Vector256<float>.Zero;
        int i = 0;
        for (; i <= x.Length - 8; i += 8)
        {
            Vector256<float> v = Vector256.Create(x.Slice(i, 8));
            high = Vector256.MaxNative(high, v);
            low = Vector256.MaxNative(low, -v);
        }

        float maximum = Largest(high), minimum = -Largest(low);
        for (; i < x.Length; i++)
        {
            maximum = MathF.Max(maximum, x[i]);
            minimum = MathF.Min(minimum, x[i]);
        }

        int levels = (1 << bits) - 1;
        float scale = ClampScale((maximum - minimum) * (1f / levels));
        float r = Contract.Reciprocal(scale);
        float zero = MathF.Min(MathF.Max(MathF.Round(-minimum * r), 0f), levels);
        Nearest(x, r, zero, 0f, levels, codes);
        return (scale, (int)zero);
    }

    /// <summary>code = round half away(x · r), clamped to ±2^30.</summary>
    /// <param name="x">Values.</param>
    /// <param name="r">1/s.</param>
    /// <param name="codes">At least as many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void HalfAway(ReadOnlySpan<float> x, float r, Span<int> codes)
    {
        codes = codes[..x.Length];
        int i = 0;
        for (; i <= x.Length - 8; i += 8)
        {
            Vector256<float> v = VectorContract.RoundHalfAway(Vector256.Create(x.Slice(i, 8)) * Vector256.Create(r));
            v = Vector256.MinNative(Vector256.MaxNative(v, Vector256.Create(-Bound)), Vector256.Create(Bound));
            Vector256.ConvertToInt32Native(v).CopyTo(codes[i..]);
        }

        for (; i < x.Length; i++)
        {
            codes[i] = (int)MathF.Min(MathF.Max(Contract.RoundHalfAway(x[i] * r), -Bound), Bound);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Nearest(ReadOnlySpan<float> x, float r, float zero, float minimum, float maximum, Span<int> codes)
    {
        codes = codes[..x.Length];
        int i = 0;
        for (; Vector512.IsHardwareAccelerated && i <= x.Length - VectorContract.WideLanes; i += VectorContract.WideLanes)
        {
            Vector512<float> v = Vector512.Round(Vector512.Create(x.Slice(i, VectorContract.WideLanes)) * Vector512.Create(r)) + Vector512.Create(zero);
            v = Vector512.MinNative(Vector512.MaxNative(v, Vector512.Create(minimum)), Vector512.Create(maximum));
            Vector512.ConvertToInt32Native(v).CopyTo(codes[i..]);
        }

        for (; i <= x.Length - 8; i += 8)
        {
            Vector256<float> v = Vector256.Round(Vector256.Create(x.Slice(i, 8)) * Vector256.Create(r)) + Vector256.Create(zero);
            v = Vector256.MinNative(Vector256.MaxNative(v, Vector256.Create(minimum)), Vector256.Create(maximum));
            Vector256.ConvertToInt32Native(v).CopyTo(codes[i..]);
        }

        for (; i < x.Length; i++)
        {
            codes[i] = (int)MathF.Min(MathF.Max(MathF.Round(x[i] * r) + zero, minimum), maximum);
        }
    }

    private static float ClampScale(float scale) => MathF.Min(MathF.Max(scale, Contract.MinimumScale), Contract.MaximumScale);

    private static float Largest(Vector256<float> v)
    {
        Vector128<float> four = Vector128.MaxNative(v.GetLower(), v.GetUpper());
        return MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
    }
}
