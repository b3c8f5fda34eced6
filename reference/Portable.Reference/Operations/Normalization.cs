using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>RMSNorm (Zhang and Sennrich, eq. 4) and LayerNorm (Ba et al.) of independent rows.</summary>
internal static unsafe class Normalization
{
    /// <summary>y = canonical((x · r) · gain), r = 1/√(mean x² + ε).</summary>
    /// <param name="x">rows × columns.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns K.</param>
    /// <param name="gain">K values.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="y">rows × columns; may be x.</param>
    /// <exception cref="ArgumentException">An operand is shorter than its shape.</exception>
    public static void RmsNorm(ReadOnlySpan<float> x, int rows, int columns, ReadOnlySpan<float> gain, float epsilon, Span<float> y)
    {
        Check(x.Length, y.Length, rows, columns, gain.Length, columns);
        fixed (float* source = x, weights = gain, target = y)
        {
            float* from = source, scale = weights, to = target;
            RowRanges.Run(rows, columns, (first, count) =>
            {
                for (int row = first; row < first + count; row++)
                {
                    RmsNormRow(new ReadOnlySpan<float>(from + (long)row * columns, columns), new ReadOnlySpan<float>(scale, columns), epsilon, new Span<float>(to + (long)row * columns, columns));
                }
            });
        }
    }

    /// <summary>d = x − mean; y = canonical((d · r) · gain + bias), r = 1/√(mean d² + ε).</summary>
    /// <param name="x">rows × columns.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns K.</param>
    /// <param name="gain">K values.</param>
    /// <param name="bias">K values.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="y">rows × columns; may be x.</param>
    /// <exception cref="ArgumentException">An operand is shorter than its shape.</exception>
    public static void LayerNorm(ReadOnlySpan<float> x, int rows, int columns, ReadOnlySpan<float> gain, ReadOnlySpan<float> bias, float epsilon, Span<float> y)
    {
        Check(x.Length, y.Length, rows, columns, gain.Length, bias.Length);
        fixed (float* source = x, weights = gain, offsets = bias, target = y)
        {
            float* from = source, scale = weights, shift = offsets, to = target;
            RowRanges.Run(rows, columns, (first, count) =>
            {
                float inverse = 1f / columns;
                for (int row = first; row < first + count; row++)
                {
                    ReadOnlySpan<float> values = new(from + (long)row * columns, columns);
                    Span<float> d = new(to + (long)row * columns, columns);
                    Subtract(values, Ordered.Sum(values) * inverse, d);
                    float r = Contract.ReciprocalSquareRoot(Ordered.Dot(d, d) * inverse + epsilon);
                    Scale(d, r, new ReadOnlySpan<float>(scale, columns), new ReadOnlySpan<float>(shift, columns), d);
                }
            });
        }
    }

    /// <summary><see cref="RmsNorm"/> of one row, on the calling thread.</summary>
    internal static void RmsNormRow(ReadOnlySpan<float> x, ReadOnlySpan<float> gain, float epsilon, Span<float> y)
    {
        float r = Contract.ReciprocalSquareRoot(Ordered.Dot(x, x) * (1f / x.Length) + epsilon);
        Scale(x, r, gain, default, y);
    }

    private static void Check(long x, long y, int rows, int columns, int gain, int bias)
    {
        if (x < (long)rows * columns || y < (long)rows * columns || gain < columns || bias < columns)
        {
            throw new ArgumentException($"{rows} rows of {columns} do not fit the operands.");
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Subtract(ReadOnlySpan<float> x, float mean, Span<float> y)
    {
        int i = 0;
        for (; i <= x.Length - 8; i += 8)
        {
            (Vector256.Create(x.Slice(i, 8)) - Vector256.Create(mean)).CopyTo(y[i..]);
        }

        for (; i < x.Length; i++)
        {
            y[i] = x[i] - mean;
        }
    }

    /// <summary>y = canonical((x·r)·gain + bias), without the addition where there is no bias.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(ReadOnlySpan<float> x, float r, ReadOnlySpan<float> gain, ReadOnlySpan<float> bias, Span<float> y)
    {
        gain = gain[..x.Length];
        int i = 0;
        for (; i <= x.Length - 8; i += 8)
        {
            Vector256<float> v = Vector256.Create(x.Slice(i, 8)) * Vector256.Create(r) * Vector256.Create(gain.Slice(i, 8));
            v = bias.IsEmpty ? v : v + Vector256.Create(bias.Slice(i, 8));
            VectorContract.Canonical(v).CopyTo(y[i..]);
        }

        for (; i < x.Length; i++)
        {
            float v = x[i] * r * gain[i];
            y[i] = Contract.Canonical(bias.IsEmpty ? v : v + bias[i]);
        }
    }
}
