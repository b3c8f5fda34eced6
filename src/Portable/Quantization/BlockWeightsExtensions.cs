using Portable.Models;
using Portable.Reference.Quantization;

namespace Portable.Quantization;

/// <summary>What every method does with a block's weights.</summary>
internal static class BlockWeightsExtensions
{
    /// <summary>The linear with its weights quantized.</summary>
    public static LinearWeights WithQuantized(this LinearWeights linear, QuantizedLinear quantized, QuantizationScheme scheme) =>
        linear with { Float = null, Bias = null, Quantized = quantized, Scheme = scheme.ToString() };

    /// <summary>The last part of a linear's module name: its type over all blocks (q_proj, down_proj, fc2).</summary>
    public static string TypeName(this LinearWeights linear) => linear.Name[(linear.Name.LastIndexOf('.') + 1)..];
}
