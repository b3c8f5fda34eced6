using System.Runtime.Intrinsics;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>Layers of a flattened block.</summary>
internal static class FlattenedBlock
{
    // 2^52 + 2^51: a whole number of less than 51 bits that is added to it stands in the lowest bits of the sum.
    private const double Whole = 6755399441055744;
    private const int Lanes = 16;

    /// <summary>Wide codes by rounding each weight half away from zero.</summary>
    public static FlattenedLinear RoundToNearest(FlattenPlan plan, int matrix, float[] weights, int rows)
    {
        int columns = weights.Length / rows;
        short[] codes = GC.AllocateUninitializedArray<short>(weights.Length);
        double[] limits = Array.ConvertAll(plan.WeightParts, parts => (double)(parts * plan.Q));
        RowRanges.Run(rows, columns, (first, count) =>
        {
            for (int row = first; row < first + count; row++)
            {
                Round(plan, matrix, weights.AsSpan(row * columns, columns), limits, codes.AsSpan(row * columns, columns));
            }
        });

        return new FlattenedLinear(plan, matrix, rows, codes);
    }

    /// <summary>One row, as <see cref="WeightGrid.Encode"/> has it on <see cref="FlattenedLinear.Grid"/>.</summary>
    private static void Round(FlattenPlan plan, int matrix, ReadOnlySpan<float> weights, ReadOnlySpan<double> limits, Span<short> codes)
    {
        Vector256<double> scale = Vector256.Create((double)plan.WeightScales[matrix]);
        int j = 0;
        for (; j + Lanes <= weights.Length; j += Lanes)
        {
            Vector256<int> low = Vector256.Narrow(Codes(weights[j..], limits[j..], scale), Codes(weights[(j + 4)..], limits[(j + 4)..], scale));
            Vector256<int> high = Vector256.Narrow(Codes(weights[(j + 8)..], limits[(j + 8)..], scale), Codes(weights[(j + 12)..], limits[(j + 12)..], scale));
            Vector256.Narrow(low, high).CopyTo(codes[j..]);
        }

        for (; j < weights.Length; j++)
        {
            codes[j] = (short)FlattenedLinear.Grid(plan, matrix, j).Encode(weights[j], Rounding.HalfAway);
        }
    }

    /// <summary>Four codes, in the lowest bits.</summary>
    private static Vector256<long> Codes(ReadOnlySpan<float> weights, ReadOnlySpan<double> limits, Vector256<double> scale)
    {
        (Vector128<double> lower, Vector128<double> upper) = Vector128.Widen(Vector128.Create(weights));
        Vector256<double> quotient = Vector256.Create(lower, upper) / scale;
        Vector256<double> magnitude = Vector256.Min(Vector256.Floor(Vector256.Abs(quotient) + Vector256.Create(0.5)), Vector256.Create(limits));
        return (Vector256.ConditionalSelect(Vector256.LessThan(quotient, Vector256<double>.Zero), -magnitude, magnitude) + Vector256.Create(Whole)).AsInt64();
    }
}
