using Portable.Reference.Algorithms.FlattenQuant;
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
        RowRanges.Run(rows, columns, (first, count) =>
        {
            for (int row = first; row < first + count; row++)
            {
                for (int j = 0; j < columns; j++)
                {
                    codes[(row * columns) + j] = (short)grids[j].Encode(weights[(row * columns) + j], Rounding.HalfAway);
                }
            }
        });

        return new FlattenedLinear(plan, matrix, rows, codes);
    }
}
