using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Quantization;

/// <summary>What every method does with a block's weights.</summary>
internal static class BlockWeightsExtensions
{
    /// <summary>The float weights of a linear as N×K single-precision values.</summary>
    public static float[] ReadWeights(this LinearWeights linear)
    {
        FloatTable table = linear.Float ?? throw new InvalidOperationException($"{linear.Name} is already quantized.");
        float[] weights = new float[checked(table.Rows * table.Columns)];
        foreach ((int firstRow, FloatTable piece) in table.Pieces)
        {
            ElementConversion.ToSingle(piece.Data.Span, table.Type, weights.AsSpan(firstRow * table.Columns, piece.Rows * table.Columns));
        }

        return weights;
    }

    /// <summary>K of a float linear.</summary>
    public static int InputFeatures(this LinearWeights linear) => (linear.Float ?? throw new InvalidOperationException($"{linear.Name} is already quantized.")).Columns;

    /// <summary>The linear with its weights quantized.</summary>
    public static LinearWeights WithQuantized(this LinearWeights linear, QuantizedLinear quantized, QuantizationScheme scheme) =>
        linear with { Float = null, Bias = null, Quantized = quantized, Scheme = scheme.ToString() };

    /// <summary>The last part of a linear's module name: its type over all blocks (q_proj, down_proj, fc2).</summary>
    public static string TypeName(this LinearWeights linear) => linear.Name[(linear.Name.LastIndexOf('.') + 1)..];
}
