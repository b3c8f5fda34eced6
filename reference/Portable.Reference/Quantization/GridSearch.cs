using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.BitPlanes;
using Portable.Reference.Threading;

namespace Portable.Reference.Quantization;

/// <summary>
/// Grids of least weighted squared error, Σ_k h_k·(w_k − ŵ_k)², in place of those that reach from the smallest weight to the
/// largest: few levels are better spent where the weights are, and an outlier clipped costs less than all others rounded coarsely.
/// </summary>
/// <remarks>
/// First the range is cut to smaller and smaller magnitudes, for outliers. Around the best of these the zero point is tried to either
/// side and the scale along parts of its own; the best few are then refined by turns: codes nearest for the scale, scale of least squares for the codes, s = Σ h·w·d / Σ h·d² with d = code − zero point. The grid of
/// the whole range is among the candidates and the error of each is that of the codes it will give: the outcome is never worse.
/// Sums run in four fixed lanes of doubles, unfused: the same bits on every machine.
/// </remarks>
internal static class GridSearch
{
    // Parts of its scale that are tried: from a little beyond it down to less than half. Steps of 0.05 are not exact in binary: the 13th part is
    // 0.45, and the next lies just below 0.4. The bytes of checkpoints rest on it.
    private const double LargestPart = 1.05, SmallestPart = 0.4, PartStep = 0.05;
    private const double CutFactor = 0.8, SmallestCut = 0.02;
    private const int ZeroReach = 2, Refined = 2, Turns = 6;

    private delegate WeightGrid RangeGrid(float lo, float hi);

    /// <summary>The parts of the largest magnitude that ranges are cut to.</summary>
    public static double[] Cuts { get; } = [.. Descending(CutFactor, SmallestCut, cut => cut * CutFactor)];

    /// <summary>The parts of the best range's scale that are tried.</summary>
    public static double[] Parts { get; } = [.. Descending(LargestPart, SmallestPart, part => part - PartStep)];

    /// <summary>The best asymmetric grid.</summary>
    /// <param name="values">w: the weights that share it.</param>
    /// <param name="importance">h ≥ 0, one for each.</param>
    /// <param name="largestCode">L: 2^b − 1, or 4 for the five levels of W2*.</param>
    /// <param name="scales">What its scale is rounded to.</param>
    public static WeightGrid Asymmetric(ReadOnlySpan<double> values, ReadOnlySpan<double> importance, int largestCode, ScaleFormat scales = ScaleFormat.Single) =>
        Search(values, importance, (lo, hi) => WeightGrid.Asymmetric(lo, hi, largestCode, scales), scales, symmetric: false);

    /// <summary>The best symmetric grid: zero point 0, codes −2^(b−1) … 2^(b−1)−1.</summary>
    /// <param name="values">w: the weights that share it.</param>
    /// <param name="importance">h ≥ 0, one for each.</param>
    /// <param name="bits">b, 2…8.</param>
    /// <param name="scales">What its scale is rounded to.</param>
    public static WeightGrid Symmetric(ReadOnlySpan<double> values, ReadOnlySpan<double> importance, int bits, ScaleFormat scales = ScaleFormat.Single) =>
        Search(values, importance, (lo, hi) => WeightGrid.Symmetric([lo, hi], bits, scales), scales, symmetric: true);

    /// <summary>Searches a grid for each group of a matrix in place of those that are there.</summary>
    /// <param name="codes">Receives the grids.</param>
    /// <param name="weights">N×K, row-major.</param>
    /// <param name="importance">K values: mean square of each input channel, or a multiple; null = all alike, which measured better than any measure of a weight's magnitude.</param>
    /// <param name="search">Finds a grid.</param>
    public static void Replace(WeightCodes codes, float[] weights, double[]? importance, GridFinder search)
    {
        GroupLayout layout = codes.Layout;
        WorkerPool.Run(codes.Rows, n =>
        {
            double[] w = new double[layout.GroupSize], h = new double[layout.GroupSize];
            for (int g = 0; g < layout.Groups; g++)
            {
                int first = layout.FirstColumn(g), count = layout.ColumnsIn(g);
                for (int i = 0; i < count; i++)
                {
                    w[i] = weights[n * layout.Columns + first + i];
                    h[i] = importance is null ? 1 : importance[first + i];
                }

                codes.Grids[n * layout.Groups + g] = search(w.AsSpan(0, count), h.AsSpan(0, count));
            }
        });
    }

    /// <summary>Σ h·(w − ŵ)² with every weight at its nearest code.</summary>
    /// <param name="grid">The grid.</param>
    /// <param name="values">w.</param>
    /// <param name="importance">h.</param>
    public static double Error(WeightGrid grid, ReadOnlySpan<double> values, ReadOnlySpan<double> importance) => Measure(grid, values, importance).Error;

    private static WeightGrid Search(ReadOnlySpan<double> values, ReadOnlySpan<double> importance, RangeGrid grid, ScaleFormat scales, bool symmetric)
    {
        double lo = 0, hi = 0;
        foreach (double v in values)
        {
            lo = Math.Min(lo, v);
            hi = Math.Max(hi, v);
        }

        Candidate best = Measure(grid((float)lo, (float)hi), values, importance);
        double largest = Math.Max(-lo, hi);
        foreach (double cut in Cuts)
        {
            if (!(best.Error > 0))
            {
                break;
            }

            Candidate candidate = Measure(grid((float)Math.Max(lo, -largest * cut), (float)Math.Min(hi, largest * cut)), values, importance);
            best = candidate.Error < best.Error ? candidate : best;
        }

        if (best.Error == 0)
        {
            return best.Grid;
        }

        WeightGrid centre = best.Grid;
        int reach = symmetric ? 0 : ZeroReach, firstZero = Math.Max(0, centre.ZeroPoint - reach), lastZero = Math.Min(centre.Maximum, centre.ZeroPoint + reach);
        Span<Candidate> kept = stackalloc Candidate[Refined];
        kept.Fill(best);
        for (int zero = firstZero; zero <= lastZero; zero++)
        {
            foreach (double part in Parts)
            {
                Candidate candidate = Measure(Rescaled(centre, centre.Scale * part, scales) with { ZeroPoint = zero }, values, importance);
                for (int i = 0; i < Refined; i++)
                {
                    if (candidate.Error < kept[i].Error)
                    {
                        (kept[i], candidate) = (candidate, kept[i]);
                    }
                }
            }
        }

        foreach (Candidate start in kept)
        {
            Candidate candidate = start;
            for (int turn = 0; turn < Turns && candidate.CodesSquared > 0 && candidate.Product > 0; turn++)
            {
                Candidate next = Measure(Rescaled(centre, candidate.Product / candidate.CodesSquared, scales) with { ZeroPoint = candidate.Grid.ZeroPoint }, values, importance);
                if (!(next.Error < candidate.Error))
                {
                    break;
                }

                candidate = next;
            }

            best = candidate.Error < best.Error ? candidate : best;
        }

        return best.Grid;
    }

    private static IEnumerable<double> Descending(double first, double last, Func<double, double> next)
    {
        for (double value = first; value >= last; value = next(value))
        {
            yield return value;
        }
    }

    private static WeightGrid Rescaled(WeightGrid grid, double scale, ScaleFormat scales) => grid with { Scale = WeightScales.Nearest(scale, scales) };

    private static Candidate Measure(WeightGrid grid, ReadOnlySpan<double> values, ReadOnlySpan<double> importance)
    {
        double s = grid.Scale, low = grid.Minimum - grid.ZeroPoint, high = grid.Maximum - grid.ZeroPoint;
        Vector256<double> scale = Vector256.Create(s), minimum = Vector256.Create(low), maximum = Vector256.Create(high);
        Vector256<double> errors = default, products = default, squares = default;
        ReadOnlySpan<Vector256<double>> w = MemoryMarshal.Cast<double, Vector256<double>>(values), h = MemoryMarshal.Cast<double, Vector256<double>>(importance);
        for (int i = 0; i < w.Length; i++)
        {
            // Which zero it is when both are does not matter here, and nothing is NaN.
            Vector256<double> d = Vector256.MinNative(Vector256.MaxNative(Vector256.Round(w[i] / scale), minimum), maximum), e = w[i] - scale * d, hd = h[i] * d;
            errors += h[i] * (e * e);
            products += hd * w[i];
            squares += hd * d;
        }

        double error = Total(errors), product = Total(products), square = Total(squares);
        for (int i = w.Length * Vector256<double>.Count; i < values.Length; i++)
        {
            double d = Math.Min(Math.Max(Math.Round(values[i] / s), low), high), e = values[i] - s * d, hd = importance[i] * d;
            error += importance[i] * (e * e);
            product += hd * values[i];
            square += hd * d;
        }

        return new Candidate(grid, error, product, square);
    }

    private static double Total(Vector256<double> v) => (v[0] + v[1]) + (v[2] + v[3]);

    /// <summary>A grid, its error, Σ h·w·d and Σ h·d².</summary>
    private readonly record struct Candidate(WeightGrid Grid, double Error, double Product, double CodesSquared);
}

/// <summary>Finds the grid of weights that share one.</summary>
/// <param name="values">w.</param>
/// <param name="importance">h ≥ 0, one for each.</param>
internal delegate WeightGrid GridFinder(ReadOnlySpan<double> values, ReadOnlySpan<double> importance);
