using System.Buffers;
using Portable.Models;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Operations;

namespace Portable.Execution;

/// <summary>Unquantized linear layers on the CPU: outside the bit-exact promise, yet equal on every ISA tier and thread count.</summary>
internal static class FloatLinear
{
    /// <summary>y[m · yStride + n] = Σ_k x[m, k]·w[n, k] + b[n].</summary>
    public static void Multiply(ReadOnlySpan<float> x, int rows, LinearWeights linear, Span<float> y, int yStride)
    {
        foreach ((int first, FloatTable piece) in linear.Float!.Pieces)
        {
            Multiply(x, rows, piece, linear.Bias is { } bias ? bias.AsSpan(first, piece.Rows) : default, y[first..], yStride);
        }
    }

    private static void Multiply(ReadOnlySpan<float> x, int rows, FloatTable w, ReadOnlySpan<float> bias, Span<float> y, int yStride)
    {
        float[] product = ArrayPool<float>.Shared.Rent(rows * w.Rows);
        try
        {
            FloatGemm.Multiply(x, w.Data.Span, w.Type, product.AsSpan(0, rows * w.Rows), rows, w.Rows, w.Columns);
            for (int m = 0; m < rows; m++)
            {
                ReadOnlySpan<float> row = product.AsSpan(m * w.Rows, w.Rows);
                Span<float> output = y.Slice(m * yStride, w.Rows);
                if (!bias.IsEmpty)
                {
                    Residual.Add(row, bias, output);
                }
                else
                {
                    row.CopyTo(output);
                }
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(product);
        }
    }
}
