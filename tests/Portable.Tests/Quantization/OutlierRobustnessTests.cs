using System.Runtime.InteropServices;
using Portable.Execution;
using Portable.Models;
using Portable.Quantization;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>
/// Rescalings by powers of two that leave the float model as it is, to the bit of its weights, but give it outlier channels:
/// (a) gains of a few norm channels ×32, the weight columns that read them ÷32; (b) a few rows of up ×16, columns of down ÷16.
/// </summary>
public class OutlierRobustnessTests
{
    private static readonly int[] Prompt = [3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46, 26];

    [Theory]
    [InlineData("flatten", false)]
    [InlineData("flatten", true)]
    [InlineData("smoothquant", false)]
    public void TransformingMethodsStayAtTheErrorOfTheUnscaledModel(string method, bool rows)
    {
        RandomModel plain = new(RandomModel.Llama(), 32, 11, null);
        RescaledModel scaled = new(plain, rows);
        float[] exact = Logits(plain);
        double before = Error(exact, Logits(MethodRun.Quantize(method, plain).Source)), after = Error(exact, Logits(MethodRun.Quantize(method, scaled).Source));
        Assert.True(after < 2 * before, $"{before} became {after}");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void PerTensorRoundingIsRuined(bool rows)
    {
        RandomModel plain = new(RandomModel.Llama(), 32, 11, null);
        RescaledModel scaled = new(plain, rows);
        float[] exact = Logits(plain);
        Assert.True(Error(exact, Logits(scaled)) < 1e-5);
        Assert.True(Error(exact, Logits(new PerTensor(scaled))) > 3 * Error(exact, Logits(new PerTensor(plain))));
    }

    private static float[] Logits(IModelSource model)
    {
        using Transformer transformer = new(model, new CpuExecutor());
        return transformer.Forward(Batch.Consecutive(Prompt, 0, allLogits: true)).ToArray();
    }

    private static double Error(float[] exact, float[] seen) =>
        Math.Sqrt(exact.Zip(seen, (a, b) => (double)(a - b) * (a - b)).Sum() / exact.Sum(a => (double)a * a));

    private class Wrapped(IModelSource model) : IModelSource
    {
        public ModelConfig Config => model.Config;

        public virtual int KeyValueBits => model.KeyValueBits;

        public FloatTable LoadEmbedding() => model.LoadEmbedding();

        public FloatTable? LoadPositions() => model.LoadPositions();

        public virtual BlockWeights LoadBlock(int index) => model.LoadBlock(index);

        public NormWeights LoadFinalNorm() => model.LoadFinalNorm();

        public FloatTable? LoadHead() => model.LoadHead();

        public void Dispose()
        {
        }
    }

    private sealed class RescaledModel(IModelSource model, bool rows) : Wrapped(model)
    {
        public override BlockWeights LoadBlock(int index)
        {
            BlockWeights block = base.LoadBlock(index);
            if (rows)
            {
                return block with { Up = Scale(block.Up, (n, _) => Chosen(n) ? 16 : 1), Down = Scale(block.Down, (_, k) => Chosen(k) ? 1f / 16 : 1) };
            }

            LinearWeights Columns(LinearWeights linear) => Scale(linear, (_, k) => Chosen(k) ? 1f / 32 : 1);
            return block with
            {
                AttentionNorm = Gains(block.AttentionNorm),
                Query = Columns(block.Query),
                Key = Columns(block.Key),
                Value = Columns(block.Value),
                MlpNorm = Gains(block.MlpNorm),
                Gate = Columns(block.Gate!),
                Up = Columns(block.Up),
            };
        }

        private static bool Chosen(int channel) => channel % 23 == 5;

        private static NormWeights Gains(NormWeights norm) => norm with { Gain = [.. norm.Gain.Select((g, k) => Chosen(k) ? g * 32 : g)] };

        private static LinearWeights Scale(LinearWeights linear, Func<int, int, float> factor)
        {
            float[] weights = linear.ReadWeights();
            int columns = linear.InputFeatures();
            for (int i = 0; i < weights.Length; i++)
            {
                weights[i] *= factor(i / columns, i % columns);
            }

            return linear with { Float = new FloatTable(linear.OutputFeatures, columns, ElementType.Float32, MemoryMarshal.AsBytes(weights.AsSpan()).ToArray()) };
        }
    }

    /// <summary>Round to nearest at 8 bits, one scale per weight tensor, symmetric per-token activations.</summary>
    private sealed class PerTensor(IModelSource model) : Wrapped(model)
    {
        public override int KeyValueBits => 16;

        public override BlockWeights LoadBlock(int index) => base.LoadBlock(index).MapLinears(linear =>
        {
            float[] weights = linear.ReadWeights();
            GroupLayout layout = new(linear.InputFeatures());
            WeightCodes codes = new(linear.OutputFeatures, layout, new CodeFormat(8, signed: true), WeightCodes.FindGrids(weights, linear.OutputFeatures, layout, WeightGranularity.Tensor, v => WeightGrid.Symmetric(v, 8)));
            codes.Round(weights);
            QuantizationScheme scheme = QuantizationScheme.Parse("W8A8");
            return linear.WithQuantized(codes.ToLinear(linear.Bias, RoundToNearest.PerToken(scheme)), scheme);
        });
    }
}
