using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

namespace Portable.Models;

/// <summary>Quantized layers with random codes and their inputs, for benchmarks and self-checks.</summary>
internal static class SyntheticLinear
{
    /// <summary>Makes a layer.</summary>
    /// <param name="rows">N.</param>
    /// <param name="columns">K.</param>
    /// <param name="scheme">Widths. With g alone, weights and activations are symmetric and share groups (as FlexQ does); otherwise weights are asymmetric per channel or group and activations symmetric per token or in groups of their own (1-bit ones asymmetric).</param>
    /// <param name="start">First number of the counter that the codes are made from.</param>
    /// <param name="bias">N values, or null.</param>
    public static QuantizedLinear Create(int rows, int columns, QuantizationScheme scheme, ulong start = 0, float[]? bias = null)
    {
        bool symmetric = scheme is { GroupSize: > 0, ActivationGroupSize: 0 };
        GroupLayout layout = scheme.Layout(columns);
        var format = symmetric ? new CodeFormat(scheme.WeightBits, signed: true) : scheme.WeightFormat;
        int levels = scheme.LargestWeightCode + 1;
        float[] scales = new float[rows * layout.Scales(scheme.GroupSize).Count];
        // Outputs of unit inputs keep a size of about one: the codes are uniform, of standard deviation levels / √12.
        Array.Fill(scales, WeightScales.Nearest(MathF.Sqrt(12f / columns) / levels, ScaleFormat.Half));
        byte[]? zeros = symmetric ? null : new byte[scales.Length];
        if (zeros is not null)
        {
            for (int i = 0; i < zeros.Length; i++)
            {
                zeros[i] = (byte)((levels / 2) - (levels % 2 == 0 ? i & 1 : 0));
            }
        }

        bool oneBit = scheme.ActivationBits == 1;
        var input = new ActivationQuantizer(new CodeFormat(scheme.ActivationBits, signed: !oneBit), oneBit ? ActivationMode.Asymmetric : ActivationMode.Symmetric, symmetric ? scheme.GroupSize : scheme.ActivationGroupSize);
        BitPlaneMatrix codes = Codes(rows, layout, format, scheme.Balanced, start);
        if (scheme.Balanced && BaseFiveRows.IsWorthwhile(layout))
        {
            // As a checkpoint is loaded.
            codes = BaseFiveRows.Pack(codes);
        }

        return new QuantizedLinear(codes, scales, zeros, bias, input, scheme.GroupSize);
    }

    /// <summary>A matrix of uniform random codes.</summary>
    /// <param name="rows">N.</param>
    /// <param name="layout">K and its groups.</param>
    /// <param name="format">The codes.</param>
    /// <param name="balanced">Codes of W2*: five levels in three planes.</param>
    /// <param name="start">First number of the counter that the codes are made from.</param>
    public static BitPlaneMatrix Codes(int rows, GroupLayout layout, CodeFormat format, bool balanced, ulong start)
    {
        ulong[] words = new ulong[BitPlaneMatrix.WordCount(rows, layout, format)];
        int[] sums = new int[rows * layout.Groups];
        int rowWords = layout.Blocks * format.Bits;
        WorkerPool.Run(rows, row =>
        {
            Span<ulong> own = words.AsSpan(row * rowWords, rowWords);
            Fill(own, start + ((ulong)row << 32));
            for (int group = 0; group < layout.Groups; group++)
            {
                int columns = layout.ColumnsIn(group);
                for (int block = layout.FirstBlock(group); block < layout.EndBlock(group); block++, columns -= GroupLayout.BlockSize)
                {
                    ulong mask = columns >= GroupLayout.BlockSize ? ulong.MaxValue : (1UL << columns) - 1;
                    Trim(own.Slice(block * format.Bits, format.Bits), mask, balanced);
                }
            }

            RowSums.Count(own, layout, format, sums.AsSpan(row * layout.Groups, layout.Groups));
        });
        return new BitPlaneMatrix(rows, layout, format, words, sums);
    }

    /// <summary>Random inputs of a layer, uniform in ±0.5.</summary>
    public static float[] Inputs(int count)
    {
        var random = new Random(1);
        float[] x = new float[count];
        foreach (ref float v in x.AsSpan())
        {
            v = random.NextSingle() - 0.5f;
        }

        return x;
    }

    /// <summary>SplitMix64 over a counter: any row can be made on its own.</summary>
    public static void Fill(Span<ulong> words, ulong counter)
    {
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = SplitMix64.Mix((counter + (ulong)i) * SplitMix64.Increment);
        }
    }

    /// <summary>Clears the padding of a block and keeps W2* within its five levels.</summary>
    private static void Trim(Span<ulong> planes, ulong mask, bool balanced)
    {
        if (balanced)
        {
            planes[2] &= ~(planes[0] | planes[1]);
        }

        foreach (ref ulong plane in planes)
        {
            plane &= mask;
        }
    }
}
