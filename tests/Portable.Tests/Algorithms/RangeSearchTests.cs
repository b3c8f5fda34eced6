using FsCheck.Xunit;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Algorithms;

/// <summary>The search for ranges of least expected error, on random layers with heavy-tailed channels.</summary>
public class RangeSearchTests
{
    private const int Rows = 24, Columns = 40, Tokens = 400;

    [Property(MaxTest = 20)]
    public void TheCapAndTheSidesHold(int seed, bool free, bool flattenWeights)
    {
        (float[] x, float[] w) = Layer(seed);
        FlattenRanges ranges = Find(x, w, new SearchOptions(4, 1.2, flattenWeights, free, 1));
        Assert.True(ranges.Plan.Expansion <= 1.2);
        Assert.True(flattenWeights || ranges.Plan.WeightParts.All(n => n == 1));
        Assert.Equal(free, ranges.Factors is not null);
        Assert.All(Find(x, w, new SearchOptions(8, 1, flattenWeights, free, 1)).Plan.ActivationParts, n => Assert.Equal(1, n));
    }

    [Property(MaxTest = 20)]
    public void TheExpectedErrorIsTheErrorAndBelowTheBoxPlots(int seed)
    {
        (float[] x, float[] w) = Layer(seed);
        float[] maxX = Maxima(x), maxW = Maxima(w);
        FlattenRanges tight = Find(x, w, new SearchOptions(4, 1.25, true, false, 1)), free = Find(x, w, new SearchOptions(4, 1.25, true, true, 1));
        double box = Error(x, w, new FlattenRanges(null, FlattenPlan.Create(maxX, [maxW], 4, new FlattenOptions()))), fixedError = Error(x, w, tight), freeError = Error(x, w, free);
        Assert.True(fixedError < 1.05 * box, $"{fixedError} against {box}");
        Assert.True(freeError < 1.02 * fixedError, $"{freeError} against {fixedError}");
        Assert.True(fixedError / tight.Loss is > 0.6 and < 1.6, $"fixed: {fixedError}, expected {tight.Loss}");
        Assert.True(freeError / free.Loss is > 0.6 and < 1.6, $"free: {freeError}, expected {free.Loss}");
    }

    /// <summary>A layer with values near 11,000: histograms that ended at 4,096 made the search clip them.</summary>
    [Fact]
    public void LargeOutliersAreSeen() => TheExpectedErrorIsTheErrorAndBelowTheBoxPlots(33);

    [Property(MaxTest = 20)]
    public void MoreColumnsNeverCost(int seed)
    {
        (float[] x, float[] w) = Layer(seed);
        double less = Find(x, w, new SearchOptions(4, 1, true, true, 1)).Loss, more = Find(x, w, new SearchOptions(4, 1.5, true, true, 1)).Loss;
        Assert.True(more <= 1.05 * less, $"{more} against {less}");
    }

    [Fact]
    public void ChannelsOfZerosAndMatricesOfZerosAreServed()
    {
        float[] x = new float[Columns * Tokens], w = new float[Rows * Columns];
        Assert.Equal(Columns, Find(x, w, new SearchOptions(4, 1.25, true, true, 1)).Plan.ExpandedColumns);
        x[3] = 1;
        w[3] = 1;
        Assert.True(Find(x, w, new SearchOptions(4, 1.25, true, false, 1)).Plan.Expansion <= 1.25);
    }

    /// <summary>Every entry of the table is the plain sum, value by value.</summary>
    [Property(MaxTest = 30)]
    public void ErrorTablesHoldTheSumsOverTheirValues(int seed, byte count, bool wide, bool spread)
    {
        Random random = new(seed);
        int q = wide ? 127 : 7;
        (double Magnitude, double Weight)[] values = [.. Enumerable.Range(0, count % 40).Select(_ => (Math.Exp(4 * random.NextDouble()), random.NextDouble()))];
        ErrorTable table = spread ? ErrorTable.OfBins(values, q, 8) : Plain();
        (double Magnitude, double Weight)[] points = spread ? [.. values.SelectMany(v => new[] { (v.Magnitude * (1 - 1.0 / 96), v.Weight / 2), (v.Magnitude * (1 + 1.0 / 96), v.Weight / 2) })] : values;
        for (int i = table.First; i <= table.Last; i++)
        {
            double step = ErrorTable.Step(i);
            for (int n = 1; n <= table.Parts(i); n++)
            {
                double sum = 0;
                foreach ((double magnitude, double weight) in points)
                {
                    double error = magnitude - step * Math.Min(Math.Floor(magnitude / step + 0.5), n * q);
                    sum += weight * error * error;
                }

                Assert.Equal(sum, table.Error(i, n));
                Assert.Equal(sum, table.Errors(i)[n - 1]);
            }
        }

        ErrorTable Plain()
        {
            ErrorTable plain = new(values.Aggregate(0.0, (largest, v) => Math.Max(largest, v.Magnitude)), values.Sum(v => v.Weight * v.Magnitude * v.Magnitude), q, 8, new double[ErrorTable.StepCount * 8], 0);
            plain.Fill([.. values.Select(v => v.Magnitude)], [.. values.Select(v => v.Weight)], q);
            return plain;
        }
    }

    [Property(MaxTest = 30)]
    public void HistogramsHoldMagnitudes(int seed)
    {
        Random random = new(seed);
        float value = (float)((random.Next(2) == 0 ? -1 : 1) * Math.Exp(random.NextDouble() * 25 - 12));
        MagnitudeHistograms histograms = new(2);
        histograms.Add([value, 0, value, 0]);
        (double magnitude, double share) = Assert.Single(histograms.Of(0));
        Assert.InRange(magnitude / Math.Abs(value), 1 - 1.0 / 31, 1 + 1.0 / 31);
        Assert.Equal(1, share);
        Assert.Empty(histograms.Of(1));
    }

    private static FlattenRanges Find(float[] x, float[] w, SearchOptions options)
    {
        MagnitudeHistograms histograms = new(Columns);
        histograms.Add(x);
        return RangeSearch.Find(histograms, null, [new SearchedMatrix(w, Energy(x, w), null)], options, new ColumnErrors());
    }

    /// <summary>Channels of unequal size, values with heavy tails.</summary>
    private static (float[] X, float[] W) Layer(int seed)
    {
        Random random = new(seed);
        double[] size = [.. Enumerable.Range(0, Columns).Select(_ => Math.Exp(2 * Normal(random)))], weight = [.. Enumerable.Range(0, Columns).Select(_ => Math.Exp(0.5 * Normal(random)))];
        return ([.. Enumerable.Range(0, Tokens * Columns).Select(i => (float)(size[i % Columns] * Normal(random)))], [.. Enumerable.Range(0, Rows * Columns).Select(i => (float)(weight[i % Columns] * Normal(random)))]);
    }

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    private static float[] Maxima(float[] values) => [.. Enumerable.Range(0, Columns).Select(j => Enumerable.Range(0, values.Length / Columns).Max(i => MathF.Abs(values[i * Columns + j])))];

    private static double Energy(float[] x, float[] w) => Products(x, w).Sum(y => y * y) / Tokens;

    private static double Error(float[] x, float[] w, FlattenRanges ranges)
    {
        FlattenPlan plan = ranges.Plan;
        double[] exact = Products(x, w);
        float[] seen = [.. x.Select((v, i) => Grid(v / Factor(i), plan.ActivationScale, plan.ActivationParts[i % Columns] * plan.Q) * Factor(i))];
        float[] held = [.. w.Select((v, i) => Grid(v * Factor(i), plan.WeightScales[0], plan.WeightParts[i % Columns] * plan.Q) / Factor(i))];
        return exact.Zip(Products(seen, held), (a, b) => (a - b) * (a - b)).Sum() / exact.Sum(y => y * y);

        float Factor(int i) => ranges.Factors?[i % Columns] ?? 1;
    }

    private static float Grid(float value, float scale, int limit)
    {
        WeightGrid grid = new(scale, 0, -limit, limit);
        return (float)grid.Decode(grid.Encode(value, Rounding.HalfAway));
    }

    private static double[] Products(float[] x, float[] w)
    {
        double[] y = new double[Tokens * Rows];
        for (int t = 0; t < Tokens; t++)
        {
            for (int n = 0; n < Rows; n++)
            {
                double sum = 0;
                for (int k = 0; k < Columns; k++)
                {
                    sum += (double)x[t * Columns + k] * w[n * Columns + k];
                }

                y[t * Rows + n] = sum;
            }
        }

        return y;
    }
}
