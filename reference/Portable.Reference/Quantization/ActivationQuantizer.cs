using Portable.Reference.BitPlanes;

namespace Portable.Reference.Quantization;

/// <summary>How the scale of an activation is found.</summary>
public enum ActivationMode
{
    /// <summary>s = max|x| / (2^(b−1)−1) per token and group, round half to even, signed codes, zero point 0.</summary>
    Symmetric,

    /// <summary>Range widened to include 0, s = (hi−lo)/(2^b−1), unsigned codes with a zero point, per token and group.</summary>
    Asymmetric,

    /// <summary>One scale fixed at calibration, round half away from zero, signed codes, optional column map (FlattenQuant, SmoothQuant-O3).</summary>
    Static,
}

/// <summary>
/// The quantizer in front of a linear layer: f32 activations M×K in, integer codes M×K' out. K' = K unless a
/// <see cref="ColumnMap"/> expands columns.
/// </summary>
/// <param name="Format">Width and signedness of the codes: unsigned for <see cref="ActivationMode.Asymmetric"/>, else signed.</param>
/// <param name="Mode">How scales are found.</param>
/// <param name="GroupSize">Columns that share a scale; 0 = the whole token.</param>
/// <param name="StaticScale">The scale in <see cref="ActivationMode.Static"/>, otherwise 0.</param>
/// <param name="Map">The column map in <see cref="ActivationMode.Static"/>, or null for identity with no per-channel clamp.</param>
public sealed record ActivationQuantizer(CodeFormat Format, ActivationMode Mode, int GroupSize, float StaticScale = 0, ColumnMap? Map = null);

/// <summary>
/// Which digit of which channel each of K' columns carries (FlattenQuant): with q the wide code of channel Source[j],
/// code'[j] = sign(q)·clamp(|q| − Offset[j], 0, Limit[j]).
/// </summary>
/// <param name="Source">Source channel of each column, 0 … K−1.</param>
/// <param name="Offset">What earlier digits already carry, ≥ 0.</param>
/// <param name="Limit">The largest magnitude of this digit, ≥ 0.</param>
public sealed record ColumnMap(int[] Source, int[] Offset, int[] Limit);
