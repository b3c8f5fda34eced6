using System.Runtime.Intrinsics;

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>What a channel may choose: for each number of columns that lowers its loss the step and the parts that give the least.</summary>
internal sealed class ChannelCandidates
{
    private const int Most = ErrorTable.MostParts;

    // Of parts of the weights: which are not to be had.
    private static readonly Vector512<double> Lanes = Vector512.Create(1.0, 2, 3, 4, 5, 6, 7, 8), Never = Vector512.Create(double.PositiveInfinity);
    private readonly List<(int Columns, double Loss, int Step, int X, int W)> _found = [];

    /// <summary>Loss of a candidate.</summary>
    public double Loss(int candidate) => _found[candidate].Loss;

    /// <summary>Columns of it.</summary>
    public int Columns(int candidate) => _found[candidate].Columns;

    /// <summary>Index of its step.</summary>
    public int Step(int candidate) => _found[candidate].Step;

    /// <summary>Parts of input and weights.</summary>
    public (int X, int W) Parts(int candidate) => (_found[candidate].X, _found[candidate].W);

    /// <summary>The candidate of least loss where each column has a price.</summary>
    public int Pick(double price)
    {
        int pick = 0;
        for (int i = 1; i < _found.Count; i++)
        {
            if (_found[i].Loss + price * _found[i].Columns < _found[pick].Loss + price * _found[pick].Columns)
            {
                pick = i;
            }
        }

        return pick;
    }

    /// <summary>Finds them.</summary>
    /// <param name="input">Errors of the input.</param>
    /// <param name="weights">Errors of the channel in each matrix: [matrix][channel].</param>
    /// <param name="channel">The channel.</param>
    /// <param name="products">Index of sx·sw of each matrix.</param>
    /// <param name="only">The one step that is allowed, or null for any.</param>
    public void Find(ErrorTable input, ErrorTable[][] weights, int channel, int[] products, int? only)
    {
        // For parts of the input, lanes being parts of the weights: the least loss, and the first step that gives it.
        Span<Vector512<double>> best = stackalloc Vector512<double>[Most], how = stackalloc Vector512<double>[Most];
        best.Fill(Never);
        how.Clear();
        int first = only ?? input.First, last = only ?? input.Last, mostX = 1;
        for (int step = first; step <= last; step++)
        {
            int most = 1;
            Vector512<double> errors = Vector512<double>.Zero;
            for (int m = 0; m < products.Length; m++)
            {
                ErrorTable table = weights[m][channel];
                most = Math.Max(most, table.Parts(products[m] - step));
                errors += table.Errors(products[m] - step);
            }

            errors = Vector512.ConditionalSelect(Vector512.LessThanOrEqual(Lanes, Vector512.Create((double)most)), errors, Never);
            int parts = input.Parts(step);
            mostX = Math.Max(mostX, parts);
            Vector512<double> own = input.Errors(step), at = Vector512.Create((double)step);
            for (int nx = 0; nx < parts; nx++)
            {
                Vector512<double> loss = Vector512.Create(own[nx]) + errors, less = Vector512.LessThan(loss, best[nx]);
                best[nx] = Vector512.ConditionalSelect(less, loss, best[nx]);
                how[nx] = Vector512.ConditionalSelect(less, at, how[nx]);
            }
        }

        Collect(best, how, mostX);
    }

    /// <summary>Of equal columns the least loss; of equal loss the finest step, then the fewest parts of the input.</summary>
    private void Collect(ReadOnlySpan<Vector512<double>> best, ReadOnlySpan<Vector512<double>> how, int mostX)
    {
        Span<(double Loss, int Step, int X, int W)> least = stackalloc (double, int, int, int)[(Most * Most) + 1];
        least.Fill((double.PositiveInfinity, 0, 0, 0));
        for (int nx = 1; nx <= mostX; nx++)
        {
            for (int nw = 1; nw <= Most; nw++)
            {
                double loss = best[nx - 1][nw - 1];
                int step = (int)how[nx - 1][nw - 1];
                ref (double Loss, int Step, int X, int W) known = ref least[nx * nw];
                if (loss < known.Loss || (loss == known.Loss && loss < double.PositiveInfinity && step < known.Step))
                {
                    known = (loss, step, nx, nw);
                }
            }
        }

        _found.Clear();
        for (int c = 1; c < least.Length; c++)
        {
            if (least[c].Loss < (_found.Count == 0 ? double.PositiveInfinity : _found[^1].Loss))
            {
                _found.Add((c, least[c].Loss, least[c].Step, least[c].X, least[c].W));
            }
        }
    }
}
