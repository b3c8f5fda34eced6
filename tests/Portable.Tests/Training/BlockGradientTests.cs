using FsCheck.Xunit;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Portable.Tests.Oracle;
using Xunit;

namespace Portable.Tests.Training;

/// <summary>Every gradient of the block against central finite differences of the double-precision oracle.</summary>
public class BlockGradientTests
{
    private const double Step = 1e-5;

    public static TheoryData<string> ModelTypes => [.. BlockFixture.ModelTypes];

    [Property(MaxTest = 6)]
    public void LlamaBlock(int seed, byte shape) => Check(new BlockFixture(seed, gated: true, tokens: 1 + shape % 7, group: 1 << (shape % 3)), seed);

    [Property(MaxTest = 4)]
    public void OptBlock(int seed, byte shape) => Check(new BlockFixture(seed, gated: false, tokens: 1 + shape % 7, group: 1), seed);

    /// <summary>Every combination of what layouts can say.</summary>
    [Property(MaxTest = 40)]
    public void AnyBlock(int seed, byte tokens) => Check(new BlockFixture(seed, BlockFixture.AnyLayout(seed), 1 + tokens % 7), seed, samples: 4);

    /// <summary>The blocks of every architecture in the table.</summary>
    [Theory]
    [MemberData(nameof(ModelTypes))]
    public void BlocksOfEveryArchitecture(string modelType)
    {
        foreach ((int i, BlockLayout layout) in BlockFixture.LayoutsOf(modelType).Index())
        {
            Check(new BlockFixture(i, layout, 7), i, samples: 6);
        }
    }

    /// <summary>
    /// With fine quantizers between the operations the straight-through gradients are nearly those without: a quantizer that
    /// dropped or doubled a gradient on its way back would show (a layer's would be off by its whole norm).
    /// </summary>
    [Property(MaxTest = 6)]
    public void FineQuantizersHardlyChangeTheGradients(int seed, bool gated)
    {
        BlockFixture f = new(seed, gated, tokens: 24, heads: 4, group: gated ? 2 : 1, size: 8, hidden: 32, intermediate: 48);
        float[] y = new float[f.Input.Length], dy = BlockFixture.Fill(new Random(seed), y.Length, 1);
        BlockTensors[] gradients = [.. new[] { 16, 8 }.Select(bits =>
        {
            TrainingBlock block = f.Block(bits, bits);
            BlockTensors result = new(f.Tensors);
            block.Forward(f.Tensors, f.Input, y, f.Tokens);
            block.Backward(f.Tensors, dy, null, result);
            return result;
        })];
        foreach (BlockSlot linear in f.Layout.Slots)
        {
            float[] exact = gradients[0][linear].Weight, fine = gradients[1][linear].Weight;
            double difference = Math.Sqrt(exact.Zip(fine, (a, b) => (double)(a - b) * (a - b)).Sum()), norm = Math.Sqrt(exact.Sum(a => (double)a * a));
            Assert.True(difference / norm is > 1e-7 and < 0.35, $"{linear}: {difference / norm}");
        }
    }

    /// <summary>More tokens than one run of queries, so that runs meet.</summary>
    [Fact]
    public void LongSequence()
    {
        Check(new BlockFixture(3, gated: true, tokens: 133, heads: 2, group: 2, hidden: 6, intermediate: 5), 3, samples: 2);
        BlockLayout windows = BlockFixture.LayoutsOf("gemma2")[0];
        Check(new BlockFixture(3, windows with { Hidden = 6, Intermediate = 5, Attention = windows.Attention with { Window = 130 } }, 133), 3, samples: 1);
    }

    private static void Check(BlockFixture f, int seed, int samples = 12) => Check(f, seed, samples, (dy, dMean) => BlockPass.OnCpu(f, 16, 16, dy, dMean));

    /// <summary>Compares a pass with the oracle, and its gradients with finite differences of the oracle.</summary>
    /// <param name="f">The block.</param>
    /// <param name="seed">Draws what is compared.</param>
    /// <param name="samples">Values of each tensor.</param>
    /// <param name="run">The pass, of gradients of y and of the mean attention.</param>
    internal static void Check(BlockFixture f, int seed, int samples, Func<float[], float[], BlockPass> run)
    {
        Random random = new(seed ^ 77);
        float[] dy = BlockFixture.Fill(random, f.Input.Length, 1), dMean = BlockFixture.Fill(random, f.Tokens * f.Tokens, 1);
        (float[] y, float[] mean, float[] dx, BlockTensors gradients) = run(dy, dMean);
        double[] x = BlockFixture.Wide(f.Input);
        BlockOracle oracle = f.Oracle();
        double[] expected = f.OracleForward(oracle, x);
        AssertNear(expected, y, 1e-4);
        AssertNear(oracle.MeanAttention!, mean, 1e-5);

        // loss = Σ dy·y + Σ dMean·A.
        double Loss()
        {
            double[] output = f.OracleForward(oracle, x);
            return output.Select((v, i) => v * dy[i]).Sum() + oracle.MeanAttention!.Select((v, i) => v * dMean[i]).Sum();
        }

        Compare(x, dx, Loss, random, samples, "x");
        foreach (BlockNorm norm in f.Layout.Norms)
        {
            Compare(oracle.Gains[norm], gradients[norm].Gain, Loss, random, samples, $"gain {norm}");
            if (oracle.NormBiases.TryGetValue(norm, out double[]? bias))
            {
                Compare(bias, gradients[norm].Bias!, Loss, random, samples, $"bias {norm}");
            }
        }

        foreach (BlockSlot linear in f.Layout.Slots)
        {
            Compare(oracle.Weights[linear], gradients[linear].Weight, Loss, random, samples, $"{linear}");
            if (oracle.Biases.TryGetValue(linear, out double[]? bias))
            {
                Compare(bias, gradients[linear].Bias!, Loss, random, samples, $"{linear} bias");
            }
        }
    }

    private static void Compare(double[] values, float[] gradient, Func<double> loss, Random random, int samples, string name)
    {
        double scale = 1 + gradient.Max(Math.Abs), here = loss();
        for (int i = 0; i < samples; i++)
        {
            int at = random.Next(values.Length);
            double kept = values[at];
            values[at] = kept + Step;
            double above = loss();
            values[at] = kept - Step;
            double below = loss();
            values[at] = kept;
            double expected = (above - below) / (2 * Step);
            if (Math.Abs(above - here - (here - below)) / Step > 2e-4 * scale)
            {
                continue; // a ReLU turns between the two points: there is no derivative to compare with
            }

            Assert.True(Math.Abs(expected - gradient[at]) < 2e-4 * scale, $"{name}[{at}]: {gradient[at]}, finite difference {expected}");
        }
    }

    private static void AssertNear(double[] expected, float[] actual, double tolerance)
    {
        double scale = 1 + expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(Math.Abs(expected[i] - actual[i]) < tolerance * scale, $"[{i}]: {actual[i]}, expected {expected[i]}");
        }
    }
}

/// <summary>A block's pass there and back.</summary>
/// <param name="Y">Its output.</param>
/// <param name="Mean">Its attention, averaged over heads.</param>
/// <param name="Dx">∂/∂ its input.</param>
/// <param name="Gradients">Of every parameter.</param>
internal sealed record BlockPass(float[] Y, float[] Mean, float[] Dx, BlockTensors Gradients)
{
    public static BlockPass OnCpu(BlockFixture f, int activationBits, int keyValueBits, float[] dy, float[]? dMean, int activationGroup = 0)
    {
        TrainingBlock block = new(f.Layout, f.Tokens, activationBits, keyValueBits, f.Rotary, activationGroup);
        BlockPass pass = new(new float[f.Input.Length], new float[f.Tokens * f.Tokens], new float[f.Input.Length], new BlockTensors(f.Tensors));
        block.Forward(f.Tensors, f.Input, pass.Y, f.Tokens);
        block.MeanAttention(pass.Mean);
        block.Backward(f.Tensors, dy, dMean, pass.Gradients, pass.Dx);
        return pass;
    }
}
