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
    /// <param name="scales">Weight scale per output channel and group, [n × groups + group], within <see cref="Arithmetic.Contract.MinimumScale"/> … <see cref="Arithmetic.Contract.MaximumScale"/>.</param>
    /// <param name="zeroPoints">Zero points like <paramref name="scales"/>, each within 0 … the largest code; null when all are 0.</param>
    /// <param name="bias">N values added last, or null.</param>
    /// <param name="input">The quantizer of the input; its groups are the weights' groups or the whole token.</param>
    public QuantizedLinear(BitPlaneMatrix weights, float[] scales, byte[]? zeroPoints, float[]? bias, ActivationQuantizer input)
    {
        int expected = weights.Rows * weights.Layout.Groups;
        if (scales.Length != expected || (zeroPoints is not null && zeroPoints.Length != expected) || (bias is not null && bias.Length != weights.Rows))
        {
            throw new ArgumentException($"Scales, zero points or bias do not fit {weights.Rows} channels × {weights.Layout.Groups} groups.");
        }

        (Weights, Scales, ZeroPoints, Bias, Input) = (weights, scales, zeroPoints, bias, input);
    }

    /// <summary>Codes, N×K'.</summary>
    public BitPlaneMatrix Weights { get; }

    /// <summary>Scales, [n × groups + group].</summary>
    public float[] Scales { get; }

    /// <summary>Zero points, [n × groups + group], or null for all 0.</summary>
    public byte[]? ZeroPoints { get; }

    /// <summary>Bias, N values, or null.</summary>
    public float[]? Bias { get; }

    /// <summary>The quantizer of the input.</summary>
    public ActivationQuantizer Input { get; }

    /// <summary>N.</summary>
    public int OutputFeatures => Weights.Rows;

    /// <summary>Bytes of codes, row sums, scales, zero points and bias in memory.</summary>
    internal long Bytes => (8L * Weights.Words.Length) + (4L * Weights.RowSums.Length) + (4L * Scales.Length) + (ZeroPoints?.Length ?? 0) + (4L * (Bias?.Length ?? 0));
}
