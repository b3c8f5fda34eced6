using FsCheck.Xunit;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Portable.Tests.Oracle;
using Xunit;

namespace Portable.Tests.Training;

/// <summary>
/// Gradients of every trainable value (smoothing vectors, rank-1 vectors, offsets) against finite differences of
/// the double-precision oracle, weights not rounded; clip logits against the quantizer's own gradient.
/// </summary>
public class StudentGradientTests
{
    public static TheoryData<string> ModelTypes => [.. BlockFixture.ModelTypes];

    [Property(MaxTest = 8)]
    public void EveryParameter(int seed, bool gated, bool logarithmic, bool groups) =>
        Check(new BlockFixture(seed, gated, tokens: 5, group: gated ? 2 : 1), seed, logarithmic, groups);

    /// <summary>Where factors fold differs from layout to layout; their gradients follow.</summary>
    [Property(MaxTest = 12)]
    public void EveryParameterOfAnyBlock(int seed, bool logarithmic) => Check(new BlockFixture(seed, BlockFixture.AnyLayout(seed), 5), seed, logarithmic, groups: false);

    [Theory]
    [MemberData(nameof(ModelTypes))]
    public void EveryParameterOfEveryArchitecture(string modelType)
    {
        foreach ((int i, BlockLayout layout) in BlockFixture.LayoutsOf(modelType).Index())
        {
            Check(new BlockFixture(i, layout, 5), i, logarithmic: true, groups: false);
        }
    }

    private static void Check(BlockFixture f, int seed, bool logarithmic, bool groups)
    {
        Random random = new(seed);
        TrainingBlock block = f.Block();
        float[] y = new float[f.Input.Length];
        block.Forward(f.Tensors, f.Input, y, f.Tokens);
        BlockStatistics statistics = new(f.Layout);
        statistics.Add(block, f.Tokens);
        StudentBlock student = new(f.Tensors, new BlockWidths(0, groups ? 5 : 0, 16, 16), new AbqOptions { LogarithmicSmoothing = logarithmic }, statistics);
        student.Materialize();
        foreach (BlockSlot linear in f.Layout.Slots)
        {
            StudentLinear layer = student[linear];
            layer.AddOffset(0);
            layer.AddRankOne(0);
            Scatter(random, layer.Offset!.Values, 0.02f);
            Scatter(random, layer.RankRow!.Values, 0.05f);
        }

        float[] dy = BlockFixture.Fill(random, y.Length, 1);

        // The loss of the present parameters, by the oracle.
        double Loss()
        {
            student.Materialize();
            BlockFixture folded = f.With(student.Quantized);
            return folded.OracleForward(folded.Oracle(), BlockFixture.Wide(f.Input)).Select((v, i) => v * dy[i]).Sum();
        }

        student.Materialize();
        block.Forward(student.Quantized, f.Input, y, f.Tokens);
        block.Backward(student.Quantized, dy, null, student.Gradients);
        student.Backward();
        (ParameterGroup Group, float[] Gradient)[] snapshot = [.. student.Parameters.Select(g => (g, g.Gradient.ToArray()))];
        foreach ((ParameterGroup group, float[] gradient) in snapshot)
        {
            double scale = 0.05 + gradient.Max(Math.Abs), here = Loss();
            for (int i = 0; i < 3; i++)
            {
                int at = random.Next(gradient.Length);
                float kept = group.Values[at], step = 2e-3f;
                group.Values[at] = kept + step;
                float up = group.Values[at];
                double above = Loss();
                group.Values[at] = kept - step;
                float down = group.Values[at];
                double below = Loss();
                group.Values[at] = kept;
                double expected = (above - below) / (up - down), left = (here - below) / (kept - down), right = (above - here) / (up - kept);
                if (Math.Abs(left - right) > 0.02 * scale)
                {
                    continue; // a ReLU turns between the two points: there is no derivative to compare with
                }

                Assert.True(Math.Abs(expected - gradient[at]) < 0.02 * scale, $"group of {gradient.Length}, [{at}]: {gradient[at]}, finite difference {expected}");
            }
        }
    }

    /// <summary>Clip logits: the quantizer's gradient of the clip factors (tested by itself) times σ'.</summary>
    [Property(MaxTest = 10)]
    public void ClipLogits(int seed, bool groups)
    {
        Random random = new(seed);
        LinearTensors weights = new(3, 20, BlockFixture.Fill(random, 60, 1), null);
        StudentLinear layer = new(weights, new BlockWidths(4, groups ? 8 : 0, 16, 16));
        int count = groups ? 3 : 1, size = groups ? 8 : 20;
        float[] low = BlockFixture.Fill(random, 3 * count, 1), high = BlockFixture.Fill(random, 3 * count, 1), upstream = BlockFixture.Fill(random, 60, 1);
        layer.AddClipping(low, high, 0);
        layer.Materialize();
        upstream.CopyTo(layer.Gradient.Weight, 0);
        layer.Backward();
        for (int i = 0; i < low.Length; i++)
        {
            int first = i / count * 20 + i % count * size, length = Math.Min(size, 20 - i % count * size);
            float clipLow = (float)(1 / (1 + Math.Exp(-low[i]))), clipHigh = (float)(1 / (1 + Math.Exp(-high[i])));
            float[] row = weights.Weight[first..(first + length)], gradient = upstream[first..(first + length)];
            (float toLow, float toHigh) = AffineQuantization.Backward(row, gradient, 4, AffineQuantization.Range(row, 4, clipLow, clipHigh), clipLow, clipHigh);
            Assert.Equal(toLow * clipLow * (1 - clipLow), layer.LowClip!.Gradient[i], 1e-4);
            Assert.Equal(toHigh * clipHigh * (1 - clipHigh), layer.HighClip!.Gradient[i], 1e-4);
        }
    }

    private static void Scatter(Random random, float[] values, float amplitude) => BlockFixture.Fill(random, values.Length, amplitude).CopyTo(values, 0);
}
