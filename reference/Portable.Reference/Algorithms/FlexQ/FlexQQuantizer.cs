using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;

namespace Portable.Reference.Algorithms.FlexQ;

/// <summary>
/// FlexQ's quantizers (arXiv 2508.04405): weights and activations symmetric in groups along K (128 in the paper), weights
/// static, activations per token; s = max|v| / (2^(b−1)−1), round half to even. Scale products are formed in f32.
/// </summary>
internal static class FlexQQuantizer
{
    /// <summary>Checks that a scheme names groups and has no 1-bit operand.</summary>
    /// <exception cref="FormatException">It does not.</exception>
    public static void Check(QuantizationScheme scheme)
    {
        scheme.RequireSymmetric(weights: true, activations: true);
        if (scheme.GroupSize == 0)
        {
            throw new FormatException($"Scheme '{scheme}': FlexQ quantizes in groups along K; name them, for example {scheme.Layer}g128.");
        }

        if (scheme.Balanced)
        {
            throw new FormatException($"Scheme '{scheme}': FlexQ's weights are symmetric two's complement; W2* belongs to asymmetric methods.");
        }

        if (scheme.ActivationGroupSize != 0 && scheme.ActivationGroupSize != scheme.GroupSize)
        {
            throw new FormatException($"Scheme '{scheme}': FlexQ's g groups weights and activations alike; leave a out, or choose a method with groups of their own for activations.");
        }
    }

    /// <summary>Empty codes on symmetric min-max grids per output channel and group.</summary>
    /// <param name="weights">N×K, row-major.</param>
    /// <param name="rows">N.</param>
    /// <param name="columns">K; the last group may be shorter.</param>
    /// <param name="scheme">Widths and group size.</param>
    /// <param name="scales">What scales are rounded to.</param>
    public static WeightCodes Grids(ReadOnlySpan<float> weights, int rows, int columns, QuantizationScheme scheme, ScaleFormat scales = ScaleFormat.Single)
    {
        GroupLayout layout = new(columns, scheme.GroupSize);
        return new WeightCodes(rows, layout, new CodeFormat(scheme.WeightBits, signed: true), WeightCodes.FindGrids(weights, rows, layout, WeightGranularity.Group, v => WeightGrid.Symmetric(v, scheme.WeightBits, scales)));
    }

    /// <summary>The dynamic quantizer of activations: symmetric per token and group.</summary>
    /// <param name="bits">2…8 or 16.</param>
    /// <param name="groupSize">Columns per group.</param>
    public static ActivationQuantizer Input(int bits, int groupSize) => new(new CodeFormat(bits, signed: true), ActivationMode.Symmetric, groupSize);
}
