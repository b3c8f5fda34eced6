using Portable.Reference.BitPlanes;

namespace Portable.Reference.Quantization;

/// <summary>
/// A quantized linear layer y = x·Wᵀ + b: packed weights N×K', their scales and zero points, and the quantizer that its
/// input goes through. What is trained or calibrated is exactly what runs.
/// </summary>
public sealed class QuantizedLinear
{
    /// <summary>Wraps the parts of a layer.</summary>
    /// <param name="weights">Codes, N×K'.</param>
    /// <param name="scales">Weight scale per output channel and scale group, [n × scale groups + group], within <see cref="Arithmetic.Contract.MinimumScale"/> … <see cref="Arithmetic.Contract.MaximumScale"/>.</param>
    /// <param name="zeroPoints">Zero points like <paramref name="scales"/>, each within 0 … the largest code; null when all are 0.</param>
    /// <param name="bias">N values added last, or null.</param>
    /// <param name="input">The quantizer of the input; its groups are whole groups of the weights' layout, or the whole token.</param>
    /// <param name="groupSize">Columns that share a weight scale, whole groups of the weights' layout; 0 = all, null = each group has its own.</param>
    public QuantizedLinear(BitPlaneMatrix weights, WeightScales scales, ZeroPoints? zeroPoints, float[]? bias, ActivationQuantizer input, int? groupSize = null)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(scales);
        ArgumentNullException.ThrowIfNull(input);
        ScaleGroups = weights.Layout.Scales(groupSize ?? weights.Layout.GroupSize);
        int expected = weights.Rows * ScaleGroups.Count;
        if (scales.Count != expected || (zeroPoints is not null && zeroPoints.Count != expected) || (bias is not null && bias.Length != weights.Rows))
        {
            throw new ArgumentException($"Scales, zero points or bias do not fit {weights.Rows} channels × {ScaleGroups.Count} groups.");
        }

        (Weights, Scales, Bias, Input) = (weights, scales, bias, input);
        ZeroPoints = zeroPoints?.Repacked(weights.Rows, ScaleGroups.Count, weights.Format.Bits);
    }

    /// <summary>Codes, N×K'.</summary>
    public BitPlaneMatrix Weights { get; }

    /// <summary>Which groups of the layout share a weight scale and a zero point.</summary>
    public ScaleGroups ScaleGroups { get; }

    /// <summary>Columns that share a weight scale; 0 = all.</summary>
    public int GroupSize => Weights.Layout.GroupSizeOf(ScaleGroups);

    /// <summary>Scales, [n × scale groups + scale group].</summary>
    public WeightScales Scales { get; }

    /// <summary>Zero points like <see cref="Scales"/>, or null for all 0.</summary>
    public ZeroPoints? ZeroPoints { get; }

    /// <summary>Bias, N values, or null.</summary>
    public float[]? Bias { get; }

    /// <summary>The quantizer of the input.</summary>
    public ActivationQuantizer Input { get; }

    /// <summary>N.</summary>
    public int OutputFeatures => Weights.Rows;

    /// <summary>Bytes of codes, row sums, scales, zero points and bias in memory.</summary>
    internal long Bytes => Weights.Bytes + (4L * Weights.Rows * Weights.Layout.Groups) + Scales.Bytes + (ZeroPoints?.Bytes.Length ?? 0) + (4L * (Bias?.Length ?? 0));
}
