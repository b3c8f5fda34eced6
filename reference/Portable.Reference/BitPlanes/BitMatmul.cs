using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

namespace Portable.Reference.BitPlanes;

/// <summary>Arbitrary-bit matrix multiplication of packed weights with quantized activations.</summary>
public static class BitMatmul
{
    /// <summary>Exact integers of the raw codes, without zero points.</summary>
    /// <param name="x">M×K activations in the weights' layout.</param>
    /// <param name="w">N×K weights.</param>
    /// <param name="acc">Σ over each group, [(group × M + m) × N + n]; of the low digit for 16-bit activations.</param>
    /// <param name="accHigh">The same of the high digit for 16-bit activations, otherwise empty.</param>
    /// <param name="kernel">A kernel by name, or null for the best.</param>
    public static void Accumulate(QuantizedActivations x, BitPlaneMatrix w, Span<int> acc, Span<int> accHigh, string? kernel = null)
    {
        _ = new MatmulShape(x.Rows, w.Rows, w.Layout, w.Format, x.Format);
        AccumulateDigit(x, x.Codes, x.Format.Signed && x.Format.Bits != 16, w, acc);
        if (x.HighDigits is { } high)
        {
            AccumulateDigit(x, high, x.Format.Signed, w, accHigh);
        }
    }

    /// <summary>The whole linear layer with the contract's epilogue (groups ascending, then bias, then canonical).</summary>
    /// <param name="x">M×K' activations.</param>
    /// <param name="w">The layer.</param>
    /// <param name="y">Output, y[m × yStride + n].</param>
    /// <param name="yStride">Elements from one output row to the next, at least N.</param>
    /// <param name="kernel">A kernel by name, or null for the best.</param>
    public static void Multiply(QuantizedActivations x, QuantizedLinear w, Span<float> y, int yStride, string? kernel = null)
    {
        int m = x.Rows, n = w.OutputFeatures, groups = w.Weights.Layout.Groups;
        int[] acc = new int[m * n * groups], accHigh = x.HighDigits is null ? [] : new int[m * n * groups];
        Accumulate(x, w.Weights, acc, accHigh, kernel);
        GroupLayout layout = w.Weights.Layout;
        for (int row = 0; row < m; row++)
        {
            for (int channel = 0; channel < n; channel++)
            {
                float sum = 0;
                for (int g = 0; g < groups; g++)
                {
                    int xs = row * groups + g, scale = x.GroupScales ? xs : row, ws = channel * groups + g;
                    int zx = x.ZeroPoints[scale], zw = w.ZeroPoints?[ws] ?? 0;
                    int low = acc[(g * m + row) * n + channel] - zw * x.RowSums[xs] - zx * w.Weights.RowSums[ws] + layout.ColumnsIn(g) * zx * zw;
                    float value = low;
                    if (accHigh.Length > 0)
                    {
                        int high = accHigh[(g * m + row) * n + channel] - zw * x.HighRowSums![xs];
                        value = high * 256f + value;
                    }

                    float p = x.Scales[scale] * w.Scales[ws];
                    float term = value * p;
                    sum += term;
                }

                y[row * yStride + channel] = Contract.Canonical(w.Bias is { } bias ? sum + bias[channel] : sum);
            }
        }
    }

    private static unsafe void AccumulateDigit(QuantizedActivations x, byte[] digits, bool signed, BitPlaneMatrix w, Span<int> acc)
    {
        int rows = x.Rows, channels = w.Rows, padded = w.Layout.PaddedColumns;
        short[] activations = new short[rows * padded];
        for (int i = 0; i < activations.Length; i++)
        {
            activations[i] = signed ? (sbyte)digits[i] : digits[i];
        }

        fixed (int* pointer = acc)
        {
            int* output = pointer;
            WorkerPool.Run(channels, channel =>
            {
                short[] weights = new short[padded];
                Expand(w, channel, weights);
                for (int group = 0; group < w.Layout.Groups; group++)
                {
                    int start = w.Layout.FirstBlock(group) * GroupLayout.BlockSize, end = w.Layout.EndBlock(group) * GroupLayout.BlockSize;
                    for (int row = 0; row < rows; row++)
                    {
                        output[((long)group * rows + row) * channels + channel] = Dot(activations.AsSpan(row * padded + start, end - start), weights.AsSpan(start, end - start));
                    }
                }
            });
        }
    }

    private static void Expand(BitPlaneMatrix w, int row, short[] codes)
    {
        int bits = w.Format.Bits, shift = 32 - bits;
        ReadOnlySpan<ulong> words = w.Words.AsSpan(row * w.RowWords, w.RowWords);
        for (int i = 0; i < codes.Length; i++)
        {
            int block = i >> 6, code = 0;
            for (int plane = 0; plane < bits; plane++)
            {
                code |= (int)((words[block * bits + plane] >> (i & 63)) & 1) << plane;
            }

            codes[i] = (short)(w.Format.Signed ? code << shift >> shift : code);
        }
    }

    private static int Dot(ReadOnlySpan<short> a, ReadOnlySpan<short> b)
    {
        if (Avx2.IsSupported)
        {
            Vector256<int> sum = default;
            for (int i = 0; i < a.Length; i += Vector256<short>.Count)
            {
                sum += Avx2.MultiplyAddAdjacent(Vector256.Create(a[i..]), Vector256.Create(b[i..]));
            }

            return Vector256.Sum(sum);
        }

        int total = 0;
        for (int i = 0; i < a.Length; i++)
        {
            total += a[i] * b[i];
        }

        return total;
    }
}
