using Portable.Reference.BitPlanes;

namespace Portable.Reference.Quantization;

/// <summary>
/// The plain baseline: every weight to the nearest level of its asymmetric min-max grid (per output channel, or per group
/// where the scheme names one), activations symmetric per token (or per group of it).
/// </summary>
public static class RoundToNearest
{
    /// <summary>Quantizes a linear layer.</summary>
    /// <param name="weights">N×K, row-major.</param>
    /// <param name="rows">N.</param>
    /// <param name="columns">K.</param>
    /// <param name="bias">N values, or null.</param>
    /// <param name="scheme">Widths; its KV part is ignored.</param>
    /// <param name="scales">What scales are rounded to.</param>
    /// <exception cref="FormatException">A1, which is symmetric here.</exception>
    public static QuantizedLinear Quantize(ReadOnlySpan<float> weights, int rows, int columns, float[]? bias, QuantizationScheme scheme, ScaleFormat scales = ScaleFormat.Single)
    {
        ActivationQuantizer input = PerToken(scheme);
        WeightCodes codes = Codes(weights, rows, columns, scheme, scales);
        codes.Round(weights);
        return codes.ToLinear(bias, input);
    }

    /// <summary>Asymmetric min-max grids per output channel or group, as the scheme says.</summary>
    public static WeightGrid[] Grids(ReadOnlySpan<float> weights, int rows, int columns, QuantizationScheme scheme, ScaleFormat scales = ScaleFormat.Single)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        return WeightCodes.FindGrids(weights, rows, new GroupLayout(columns, scheme.GroupSize), WeightGranularity.Group, v => WeightGrid.Asymmetric(v, scheme.LargestWeightCode, scales));
    }

    /// <summary>Empty codes on these grids.</summary>
    internal static WeightCodes Codes(ReadOnlySpan<float> weights, int rows, int columns, QuantizationScheme scheme, ScaleFormat scales) =>
        new(rows, new GroupLayout(columns, scheme.GroupSize), scheme.WeightFormat, Grids(weights, rows, columns, scheme, scales));

    /// <summary>The symmetric quantizer of a scheme's activations, per token or per group of it.</summary>
    /// <exception cref="FormatException">A1.</exception>
    public static ActivationQuantizer PerToken(QuantizationScheme scheme)
    {
        ArgumentNullException.ThrowIfNull(scheme);
        scheme.RequireSymmetric(weights: false, activations: true);
        return new ActivationQuantizer(new CodeFormat(scheme.ActivationBits, signed: true), ActivationMode.Symmetric, scheme.ActivationGroupSize);
    }
}
