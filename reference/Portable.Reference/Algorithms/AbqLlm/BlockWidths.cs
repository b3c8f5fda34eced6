using Portable.Reference.Quantization;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>The grids of a block.</summary>
/// <param name="WeightLevels">The largest weight code: 2^b − 1, or 4 for W2*; 0 = weights not quantized.</param>
/// <param name="GroupSize">Columns that share a weight scale; 0 = the whole channel.</param>
/// <param name="ActivationBits">Bits of the inputs of linears, asymmetric per token; 16 = trained as if exact.</param>
/// <param name="KeyValueBits">Bits of q, k and v, asymmetric per token and head; 16 = exact.</param>
/// <param name="ActivationGroupSize">Columns of the input of a linear that share a scale; 0 = the whole token.</param>
/// <param name="Scales">What the scales of weights are rounded to.</param>
internal sealed record BlockWidths(int WeightLevels, int GroupSize, int ActivationBits, int KeyValueBits, int ActivationGroupSize = 0, ScaleFormat Scales = ScaleFormat.Single);
