namespace Portable.Calibration;

/// <summary>The values of a model on their way through it are not finite: what would be quantized is not a working model.</summary>
/// <param name="layer">The layer at fault.</param>
/// <param name="fault">What it does.</param>
/// <param name="inner">The cause, or null.</param>
internal sealed class NonFiniteModelException(string layer, string fault, Exception? inner = null)
    : ArithmeticException($"{layer} {fault}: f32 overflows there, so there is nothing sound to quantize.", inner);
