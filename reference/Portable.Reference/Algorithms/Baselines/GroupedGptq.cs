using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.Baselines;

/// <summary>
/// GPTQ with grids that are searched on the way: when the first column of a group is reached, the group's grid is the one of least
/// weighted error for the weights as compensated so far.
/// </summary>
internal static class GroupedGptq
{
    /// <summary>An order of columns that takes one group after the other: groups of the largest mean diag(H) first, and so within each.</summary>
    /// <param name="diagonal">diag(H), K values.</param>
    /// <param name="layout">The groups.</param>
    /// <returns>The column at each position, quantized from the last position to the first.</returns>
    public static int[] Order(double[] diagonal, GroupLayout layout)
    {
        double Energy(int g)
        {
            double sum = 0;
            for (int i = 0; i < layout.ColumnsIn(g); i++)
            {
                sum += diagonal[layout.FirstColumn(g) + i];
            }

            return sum / layout.ColumnsIn(g);
        }

        int[] groups = [.. Enumerable.Range(0, layout.Groups).OrderBy(Energy).ThenByDescending(g => g)];
        return [.. groups.SelectMany(g => Enumerable.Range(layout.FirstColumn(g), layout.ColumnsIn(g)).OrderBy(k => diagonal[k]).ThenByDescending(k => k))];
    }

    /// <summary>Quantizes a matrix.</summary>
    /// <param name="weights">N×K, row-major.</param>
    /// <param name="factor">Factor of the damped Hessian in the order.</param>
    /// <param name="order">From <see cref="Order"/>.</param>
    /// <param name="codes">Receives codes and grids.</param>
    /// <param name="search">The grid of a group: values, importance.</param>
    public static void Quantize(float[] weights, InverseFactor factor, int[] order, WeightCodes codes, GridFinder search)
    {
        (int rows, int columns, GroupLayout layout) = (codes.Rows, codes.Layout.Columns, codes.Layout);
        WorkerPool.Run((rows + Gptq.RowTile - 1) / Gptq.RowTile, tile =>
        {
            int first = tile * Gptq.RowTile, count = Math.Min(Gptq.RowTile, rows - first);
            double[] w = new double[count * columns], h = new double[columns];
            for (int p = 0; p < columns; p++)
            {
                // What an error in this column costs once the columns behind it have made good what they can.
                double d = factor.Rows[p * columns + p];
                h[p] = 1 / (d * d);
                for (int r = 0; r < count; r++)
                {
                    w[r * columns + p] = weights[(first + r) * columns + order[p]];
                }
            }

            WeightGrid[] grids = new WeightGrid[count];
            for (int end = columns, start; end > 0; end = start)
            {
                int g = order[end - 1] / layout.GroupSize;
                start = end - layout.ColumnsIn(g);
                for (int r = 0; r < count; r++)
                {
                    grids[r] = search(w.AsSpan(r * columns + start, layout.ColumnsIn(g)), h.AsSpan(start, layout.ColumnsIn(g)));
                    codes.Grids[(first + r) * layout.Groups + g] = grids[r];
                }

                for (int last = end, from; last > start; last = from)
                {
                    from = Math.Max(start, last - Gptq.Panel);
                    Gptq.Compensate(w, count, factor, from, last, (r, _) => grids[r], Rounding.HalfEven, (r, p, code) => codes.Codes[(first + r) * columns + order[p]] = code);
                }
            }
        });
    }
}
