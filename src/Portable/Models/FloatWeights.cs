using Portable.Reference.Arithmetic;
using Portable.Reference.Threading;

namespace Portable.Models;

/// <summary>The weights of float linears.</summary>
internal static class FloatWeights
{
    /// <summary>The float weights of a linear as N×K single-precision values.</summary>
    public static float[] ReadWeights(this LinearWeights linear)
    {
        FloatTable table = linear.Float ?? throw new InvalidOperationException($"{linear.Name} is already quantized.");
        float[] weights = GC.AllocateUninitializedArray<float>(checked(table.Rows * table.Columns));
        int rowBytes = table.Columns * ElementConversion.SizeOf(table.Type);
        WorkerPool.Run(table.Rows, row =>
        {
            (int first, FloatTable piece) = table.PieceOf(row);
            ElementConversion.ToSingle(piece.Data.Span.Slice((row - first) * rowBytes, rowBytes), table.Type, weights.AsSpan(row * table.Columns, table.Columns));
        });
        return weights;
    }

    /// <summary>K of a float linear.</summary>
    public static int InputFeatures(this LinearWeights linear) => (linear.Float ?? throw new InvalidOperationException($"{linear.Name} is already quantized.")).Columns;
}
