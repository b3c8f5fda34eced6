using FsCheck.Xunit;
using Portable.Quantization.FlattenQuant;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Algorithms;

public class FlattenQuantTests
{
    // The worked example: four channels that split on no side, the activation's, the weight's, and both.
    private static readonly float[] X = [0.5f, -6f, 1f, 0.8f, -0.3f, 4.4f, -1f, 2f];
    private static readonly float[] W = [0.2f, 0.3f, -0.5f, 0.25f, -0.4f, 0.1f, 1.4f, -1f, 0.1f, -0.2f, 0.6f, 0.5f];

    [Fact]
    public void TheWorkedExampleIsExact()
    {
        FlattenPlan plan = FlattenPlan.WithThresholds([0.5f, 6f, 1f, 2f], [[0.4f, 0.3f, 1.4f, 1f]], 4, 1.75f, [0.875f]);
        Assert.Equal([1, 4, 1, 2], plan.ActivationParts);
        Assert.Equal([1, 1, 2, 2], plan.WeightParts);
        Assert.Equal((11, 0.25f, 0.125f), (plan.ExpandedColumns, plan.ActivationScale, plan.WeightScales[0]));

        short[] codes = [.. Enumerable.Range(0, 12).Select(i => (short)FlattenedLinear.Grid(plan, 0, i % 4).Encode(W[i], Rounding.HalfAway))];
        Assert.Equal(new short[] { 2, 2, -4, 2, -3, 1, 11, -8, 1, -2, 5, 4 }, codes);

        FlattenedLinear layer = new(plan, 0, 3, codes);
        QuantizedLinear expanded = layer.Expanded(null), compact = layer.Compact(null);
        Assert.Equal(new short[] { 2, 2, 2, 2, 2, -4, 0, 2, 0, 2, 0, -3, 1, 1, 1, 1, 7, 4, -7, -1, -7, -1, 1, -2, -2, -2, -2, 5, 0, 4, 0, 4, 0 }, Codes(expanded));
        QuantizedActivations wide = StaticInput.Quantize(X, 2, 4, compact), digits = StaticInput.Quantize(X, 2, 4, expanded);
        Assert.Equal(new[] { 2, -24, 4, 3, -1, 18, -4, 8 }, StaticInput.Codes(wide));
        Assert.Equal(new[] { 2, -7, -7, -7, -3, 4, 4, 3, 3, 0, 0, -1, 7, 7, 4, 0, -4, -4, 7, 7, 1, 1 }, StaticInput.Codes(digits));
        float[] expected = [-1.6875f, -0.3125f, 2.5625f, 2.0625f, -2.71875f, -0.78125f], y = new float[6];
        BitMatmul.Multiply(wide, compact, y, 3);
        Assert.Equal(expected, y);
        BitMatmul.Multiply(digits, expanded, y, 3);
        Assert.Equal(expected, y);
    }

    /// <summary>Many columns at a time give the codes of one after the other: ties, what is clipped and zeros of both signs too.</summary>
    [Property(MaxTest = 60)]
    public void RowsAreRoundedAsSingleWeightsAre(int seed, byte k, bool int8)
    {
        Random random = new(seed);
        int columns = 1 + k % 70, rows = 3, bits = int8 ? 8 : 4;
        float step = random.NextSingle() + 0.01f;
        float[] w = [.. Enumerable.Range(0, rows * columns).Select(_ => random.Next(3) switch { 0 => step * (random.Next(-40, 40) + 0.5f), 1 => step * random.Next(-2000, 2000), _ => (random.NextSingle() - 0.5f) * 20 })];
        w[0] = -0f;
        int[] parts = [.. Enumerable.Range(0, columns).Select(_ => random.Next(1, int8 ? 2 : 9))];
        FlattenPlan plan = FlattenPlan.WithParts(bits, 1, [0.3f, step], [.. Enumerable.Repeat(1, columns)], parts);
        short[] codes = [.. Enumerable.Range(0, w.Length).Select(i => (short)FlattenedLinear.Grid(plan, 1, i % columns).Encode(w[i], Rounding.HalfAway))];
        Assert.Equal(Codes(new FlattenedLinear(plan, 1, rows, codes).Pack(null)), Codes(FlattenedBlock.RoundToNearest(plan, 1, w, rows).Pack(null)));
    }

    [Property(MaxTest = 60)]
    public void CompactAndExpandedAgreeToTheBit(int seed, byte k, bool int8, bool flattenWeights)
    {
        Random random = new(seed);
        int columns = 8 + k % 60, rows = 5, tokens = 4;
        float[] x = Heavy(random, tokens, columns), w = Heavy(random, rows, columns);
        FlattenPlan plan = FlattenPlan.Create(Maxima(x, columns), [Maxima(w, columns)], int8 ? 6 : 4, new FlattenOptions(1.5, flattenWeights, 2));
        short[] codes = [.. Enumerable.Range(0, w.Length).Select(i => (short)FlattenedLinear.Grid(plan, 0, i % columns).Encode(w[i], Rounding.HalfAway))];
        FlattenedLinear layer = new(plan, 0, rows, codes);
        QuantizedLinear expanded = layer.Expanded(null);
        Assert.All(Codes(expanded), c => Assert.InRange(c, -plan.Q, plan.Q));

        // Beyond the calibrated range too: values saturate the same way on both sides.
        float[] seen = [.. x.Select(v => v * (random.Next(4) == 0 ? 3 : 1))];
        float[] a = new float[tokens * rows], b = new float[tokens * rows];
        BitMatmul.Multiply(StaticInput.Quantize(seen, tokens, columns, expanded), expanded, a, rows);
        if (layer.HasCompact)
        {
            BitMatmul.Multiply(StaticInput.Quantize(seen, tokens, columns, layer.Compact(null)), layer.Compact(null), b, rows);
            Assert.Equal(a, b);
        }
        else
        {
            Assert.Throws<InvalidOperationException>(() => layer.Compact(null));
        }
    }

    /// <summary>What GPTQ is told the layer sees is what the layer sees, clipped values included.</summary>
    [Property(MaxTest = 60)]
    public void SeenInputsAreTheQuantizersCodes(int seed, byte k)
    {
        Random random = new(seed);
        int columns = 4 + k % 60, tokens = 5;
        float[] x = [.. Heavy(random, tokens, columns).Select(v => v * (random.Next(4) == 0 ? 3 : 1))], seen = new float[x.Length];
        int[] parts = [.. Enumerable.Range(0, columns).Select(_ => 1 + random.Next(3))];
        FlattenPlan plan = FlattenPlan.WithParts(4, 0.125f + random.NextSingle() / 8, [1f], parts, [.. parts.Select(_ => 1)]);
        long clipped = SeenInput.Round(x, SeenInput.Limits(plan), plan.ActivationScale, seen), beyond = 0;
        for (int i = 0; i < x.Length; i++)
        {
            float v = x[i] * (1f / plan.ActivationScale);
            double magnitude = Math.Floor(Math.Abs(v) + 0.5f), limit = 7 * parts[i % columns];
            beyond += magnitude > limit ? 1 : 0;
            Assert.Equal((float)(Math.Sign(v) * Math.Min(magnitude, limit)) * plan.ActivationScale, seen[i]);
        }

        Assert.Equal(beyond, clipped);
    }

    [Property]
    public void QuantizingWideAndSplittingEqualsFlatteningAndQuantizing(int seed, byte parts)
    {
        Random random = new(seed);
        int q = random.Next(2) == 0 ? 7 : 127, n = 1 + parts % 6;
        double scale = random.Next(1, 41) / 64.0, t = q * scale;
        double x = Math.Clamp(random.Next(-30480, 30481) / 64.0, -n * t, n * t);
        WeightGrid wide = new((float)scale, 0, -n * q, n * q), narrow = new((float)scale, 0, -q, q);
        int code = wide.Encode(x, Rounding.HalfAway);
        double sum = 0;
        for (int k = 0; k < n; k++)
        {
            double part = Math.CopySign(Math.Clamp(Math.Abs(x) - k * t, 0, t), x);
            sum += part;
            Assert.Equal(narrow.Encode(part, Rounding.HalfAway), FlattenedLinear.Digit(code, k * q, q));
        }

        Assert.Equal(x, sum, 1e-9);
    }

    [Fact]
    public void HalfAwayRoundsSevenAndAHalfToEightWhichSplitsIntoSevenAndOne()
    {
        int code = new WeightGrid(1f, 0, -14, 14).Encode(7.5, Rounding.HalfAway);
        Assert.Equal((8, 7, 1), (code, FlattenedLinear.Digit(code, 0, 7), FlattenedLinear.Digit(code, 7, 7)));
    }

    [Theory]
    [InlineData(1.0, 6.5f, 11)]
    [InlineData(1.5, 7.625f, 10)]
    [InlineData(3.0, 11f, 9)]
    public void TheBoxPlotExampleIsExact(double beta, float threshold, int expanded)
    {
        float[] maxima = [2, 20, 1, 3, 2, 5, 4, 3];
        Assert.Equal(threshold, BoxPlot.Threshold(maxima, beta));
        Assert.Equal(expanded, FlattenPlan.Parts(maxima, threshold).Sum());
    }

    [Fact]
    public void DegenerateStatisticsFlattenNothing()
    {
        Assert.Equal(3f, BoxPlot.Threshold([3f, 3f, 3f], 1.5));
        Assert.Equal(5f, BoxPlot.Threshold([0f, 0f, 0f, 0f, 0f, 0f, 0f, 5f], 1.5));
        Assert.Equal(0f, BoxPlot.Threshold([0f, 0f], 1.5));
        Assert.Equal([1, 1], FlattenPlan.Parts([0f, 0f], 0f));
        Assert.Equal([1, 2, 3, 4], FlattenPlan.Parts([1f, 2f, 2.0001f, 4f], 1f));
    }

    [Property(MaxTest = 60)]
    public void ThresholdsAndExpansionStayWithinTheirBounds(int seed, bool flattenWeights)
    {
        Random random = new(seed);
        float[] x = Maxima(Heavy(random, 3, 64), 64), w = Maxima(Heavy(random, 3, 64), 64), v = Maxima(Heavy(random, 9, 64), 64);
        FlattenPlan plan = FlattenPlan.Create(x, [w, v], 4, new FlattenOptions(0.5, flattenWeights, 1.1));
        Assert.True(plan.Expansion <= 1.1);
        Assert.All(plan.ActivationParts, n => Assert.InRange(n, 1, BoxPlot.MaximumParts));
        Assert.True(flattenWeights || plan.WeightParts.All(n => n == 1));
        for (int j = 0; j < 64; j++)
        {
            Assert.True(x[j] <= plan.ActivationParts[j] * plan.ActivationScale * plan.Q * 1.0001f);
            Assert.True(w[j] <= plan.WeightParts[j] * plan.WeightScales[0] * plan.Q * 1.0001f);
            Assert.True(v[j] <= plan.WeightParts[j] * plan.WeightScales[1] * plan.Q * 1.0001f);
        }
    }

    [Fact]
    public void DivergenceIsZeroForEqualAndGrowsWithTheError()
    {
        Random random = new(1);
        float[] y = [.. Enumerable.Range(0, 20000).Select(_ => (float)(random.NextDouble() + random.NextDouble() - 1))];
        double previous = 0;
        foreach (float step in new[] { 0f, 0.05f, 0.2f, 0.8f })
        {
            HistogramDivergence histograms = new(y.Min(), y.Max());
            histograms.Add(y, [.. y.Select(v => step == 0 ? v : MathF.Round(v / step) * step)]);
            double divergence = histograms.Divergence();
            Assert.True(step == 0 ? divergence == 0 : divergence > previous);
            previous = divergence;
        }
    }

    [Fact]
    public void DivergenceOfTwoBinsIsTheFormula()
    {
        HistogramDivergence histograms = new(0, 2, 2);
        histograms.Add([0.5f, 0.5f, 0.5f, 2f], [-3f, 1.5f, 1.5f, 99f]);
        Assert.Equal((0.75 * Math.Log(0.75 / 0.25)) + (0.25 * Math.Log(0.25 / 0.75)), histograms.Divergence(), 1e-6);
    }

    [Fact]
    public void DecisionsFollowTheirReadings()
    {
        WidthCandidate[] groups = [new(100, 0.1, 0.01), new(300, 0.2, 0.19), new(50, 0.3, 0.01), new(50, 0.4, 0.3)];
        Assert.Equal([true, false, true, true], WidthDecision.ByBudget(groups, 0.4));
        Assert.Equal([true, true, true, false], WidthDecision.ByBudget(groups, 0.9));
        Assert.Equal([true, true, false, false], WidthDecision.ByLimit(groups, 0.2));
        Assert.Equal([false, true, false, true], WidthDecision.ByRatio(groups, 1.86));
        Assert.Equal(0.4, WidthDecision.Share(groups, [true, false, true, true]), 1e-12);
        Assert.Equal(0, WidthDecision.Share(groups, WidthDecision.ByBudget(groups, 0)));
        Assert.Equal(1, WidthDecision.Share(groups, WidthDecision.ByBudget(groups, 1)));
    }

    private static short[] Codes(QuantizedLinear linear)
    {
        short[] codes = new short[linear.Weights.Rows * linear.Weights.Columns];
        BitPacking.Unpack(linear.Weights, codes);
        return codes;
    }

    private static float[] Heavy(Random random, int rows, int columns)
    {
        double[] size = [.. Enumerable.Range(0, columns).Select(_ => random.Next(10) == 0 ? 3 + 5 * random.NextDouble() : 0.5 + random.NextDouble())];
        return [.. Enumerable.Range(0, rows * columns).Select(i => (float)((random.NextDouble() * 2 - 1) * size[i % columns]))];
    }

    private static float[] Maxima(float[] rows, int columns) =>
        [.. Enumerable.Range(0, columns).Select(j => Enumerable.Range(0, rows.Length / columns).Max(r => MathF.Abs(rows[r * columns + j])))];
}

/// <summary>Static activation quantization written as a plain loop, apart from the product's.</summary>
internal static class StaticInput
{
    public static QuantizedActivations Quantize(float[] x, int rows, int columns, QuantizedLinear linear)
    {
        ActivationQuantizer input = linear.Input;
        ColumnMap map = input.Map!;
        QuantizedActivations codes = new(rows, linear.Weights.Layout, input.Format, 0) { Rows = rows };
        float reciprocal = 1f / input.StaticScale;
        for (int m = 0; m < rows; m++)
        {
            codes.Scales[m] = input.StaticScale;
            for (int j = 0; j < map.Source.Length; j++)
            {
                float v = x[m * columns + map.Source[j]] * reciprocal;
                double magnitude = Math.Clamp(Math.Floor(Math.Abs(v) + 0.5f) - map.Offset[j], 0, map.Limit[j]);
                int code = (int)(v < 0 ? -magnitude : magnitude);
                codes.Codes[m * linear.Weights.Layout.PaddedColumns + j] = unchecked((byte)(sbyte)code);
                codes.RowSums[m] += code;
            }
        }

        return codes;
    }

    public static int[] Codes(QuantizedActivations x) =>
        [.. Enumerable.Range(0, x.Rows).SelectMany(m => Enumerable.Range(0, x.Layout.Columns).Select(j => (int)(sbyte)x.Codes[m * x.Layout.PaddedColumns + j]))];
}
