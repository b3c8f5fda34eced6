namespace Portable.Vulkan.Shaders;

/// <summary>
/// Where the quantized activations of a matmul lie on the device (the layout of QuantizedActivations, four codes to a word).
/// </summary>
/// <remarks>
/// The kernels multiply signed bytes: codes of unsigned 8-bit formats and the low digits of 16-bit codes are stored minus 128
/// in real columns (padding stays 0); see StoredCodes.ActivationOffset. Sums and zero points are the codes' own.
/// </remarks>
/// <param name="Codes">Bytes [row × padded columns + padded column], or low digits.</param>
/// <param name="HighCodes">High digits of 16-bit codes, else 0.</param>
/// <param name="Scales">f32 bits and zero point side by side, [(row × scales + index) × 2].</param>
/// <param name="Sums">Σ codes (or low digits), [row × groups + group].</param>
/// <param name="HighSums">Σ high digits, else 0.</param>
internal readonly record struct ActivationAddresses(ulong Codes, ulong HighCodes, ulong Scales, ulong Sums, ulong HighSums);
