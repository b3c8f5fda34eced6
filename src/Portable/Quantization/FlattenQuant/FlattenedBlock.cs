using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>Layers of a flattened block.</summary>
internal static class FlattenedBlock
{
    /// <summary>Wide codes by rounding each weight half away from zero.</summary>
    public static FlattenedLinear RoundToNearest(FlattenPlan plan, int matrix, float[] weights, int rows)
    {
        int columns = weights.Length / rows;
        short[] codes = new short[weights.Length];
        WeightGrid[] grids = [.. Enumerable.Range(0, columns).Select(j => FlattenedLinear.Grid(plan, matrix, j))];
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = (short)grids[i % columns].Encode(weights[i], Rounding.HalfAway);
        }

        return new FlattenedLinear(plan, matrix, rows, codes);
    }

    /// <summary>What the layer will give for smoothed inputs, by the kernels that serve it.</summary>
    public static float[] Outputs(float[] x, QuantizedLinear layer, int columns)
    {
        int tokens = x.Length / columns;
        QuantizedActivations codes = new(tokens, layer.Weights.Layout, layer.Input.Format, layer.Input.GroupSize);
        ActivationQuantization.Quantize(x, tokens, columns, layer.Input, codes);
        float[] y = new float[tokens * layer.OutputFeatures];
        BitMatmul.Multiply(codes, layer, y, layer.OutputFeatures);
        return y;
    }
}
