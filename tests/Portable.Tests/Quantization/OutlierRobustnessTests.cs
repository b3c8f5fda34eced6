using Portable.Execution;
using Portable.Inference;
using Portable.Models;
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
        Assert.True(Error(exact, Logits(new PerTensorModel(scaled))) > 3 * Error(exact, Logits(new PerTensorModel(plain))));
    }

    private static float[] Logits(IModelSource model)
    {
        using Transformer transformer = new(model, new CpuExecutor());
        return transformer.Forward(Batch.Consecutive(Prompt, 0, allLogits: true)).ToArray();
    }

    private static double Error(float[] exact, float[] seen) =>
        Math.Sqrt(exact.Zip(seen, (a, b) => (double)(a - b) * (a - b)).Sum() / exact.Sum(a => (double)a * a));
}
