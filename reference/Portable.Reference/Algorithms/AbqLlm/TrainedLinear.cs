namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>A trained layer folded to integers: W ≈ scale·(code − zero point).</summary>
/// <param name="Codes">N × K codes, row-major.</param>
/// <param name="Scales">[row × groups + group].</param>
/// <param name="ZeroPoints">Like <paramref name="Scales"/>, each 0 … the largest code.</param>
/// <param name="Bias">Bias after the equivalent transformation, or null.</param>
/// <param name="InputFactors">What smoothing multiplied each column by.</param>
/// <param name="OutputFactors">What smoothing multiplied each row by.</param>
internal sealed record TrainedLinear(short[] Codes, float[] Scales, byte[] ZeroPoints, float[]? Bias, float[] InputFactors, float[] OutputFactors);
