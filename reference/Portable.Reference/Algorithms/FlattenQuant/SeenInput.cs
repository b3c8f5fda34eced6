using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>What a flattened layer sees of its input: x̂ = sx·clamp(round half away(x · 1/sx), ±nx_j·Q), the quantizer's own arithmetic.</summary>
internal static class SeenInput
{
    /// <summary>The largest code of each channel, nx_j·Q.</summary>
    public static float[] Limits(FlattenPlan plan) => Array.ConvertAll(plan.ActivationParts, n => (float)(n * plan.Q));

    /// <summary>Rounds rows of K values.</summary>
    /// <param name="x">Rows × K, smoothed.</param>
    /// <param name="limits">From <see cref="Limits"/>.</param>
    /// <param name="scale">sx.</param>
    /// <param name="seen">Receives x̂.</param>
    /// <returns>How many values are beyond the last digit of their channel.</returns>
    public static unsafe long Round(ReadOnlySpan<float> x, float[] limits, float scale, Span<float> seen)
    {
        int columns = limits.Length, rows = x.Length / columns;
        long clipped = 0;
        fixed (float* source = x, target = seen)
        {
            float* from = source, to = target;
            RowRanges.Run(rows, columns, (first, count) =>
            {
                long own = 0;
                for (int row = first; row < first + count; row++)
                {
                    own += Row(new(from + (long)row * columns, columns), limits, scale, new(to + (long)row * columns, columns));
                }

                Interlocked.Add(ref clipped, own);
            });
        }

        return clipped;
    }

    /// <summary>What a layer sees whose inputs have a scale for each token and group of channels.</summary>
    /// <param name="x">Rows × K, smoothed.</param>
    /// <param name="columns">K.</param>
    /// <param name="quantizer">From <see cref="FlattenedLinear.GroupedInput"/>.</param>
    /// <param name="seen">Receives x̂.</param>
    public static void RoundGroups(ReadOnlySpan<float> x, int columns, ActivationQuantizer quantizer, Span<float> seen)
    {
        int rows = x.Length / columns;
        QuantizedActivations codes = new(rows, new GroupLayout(columns, quantizer.GroupSize), quantizer.Format, quantizer.GroupSize);
        ActivationQuantization.Quantize(x, rows, columns, quantizer, codes);
        for (int row = 0; row < rows; row++)
        {
            for (int k = 0; k < columns; k++)
            {
                int code = (sbyte)codes.Codes[row * codes.Layout.PaddedColumns + codes.Layout.PaddedIndex(k)];
                seen[row * columns + k] = code * codes.Scales[row * codes.ScaleGroups.Count + k / codes.Layout.GroupSize];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long Row(ReadOnlySpan<float> x, ReadOnlySpan<float> limits, float scale, Span<float> seen)
    {
        float reciprocal = 1f / scale;
        long clipped = 0;
        int i = 0;
        for (; i <= x.Length - 8; i += 8)
        {
            Vector256<float> code = VectorContract.RoundHalfAway(Vector256.Create(x.Slice(i, 8)) * Vector256.Create(reciprocal)), limit = Vector256.Create(limits.Slice(i, 8));
            clipped += uint.PopCount(Vector256.GreaterThan(Vector256.Abs(code), limit).ExtractMostSignificantBits());
            (Vector256.Min(Vector256.Max(code, -limit), limit) * Vector256.Create(scale)).CopyTo(seen[i..]);
        }

        for (; i < x.Length; i++)
        {
            float code = Contract.RoundHalfAway(x[i] * reciprocal);
            clipped += MathF.Abs(code) > limits[i] ? 1 : 0;
            seen[i] = Math.Clamp(code, -limits[i], limits[i]) * scale;
        }

        return clipped;
    }
}
