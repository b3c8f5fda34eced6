using Portable.Calibration;
using Portable.Models;
using Portable.Quantization;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Reference.Training;
using Portable.Tests.Support;
using Portable.Tests.Training;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>The switches of the methods that train blocks: each part off or changed, one at a time, on a small random model.</summary>
public class ReconstructionMethodTests
{
    [Theory]
    [InlineData("abq", "recipe", "paper")]
    [InlineData("abq", "smoothing", "off")]
    [InlineData("abq", "smoothing-down", "off")]
    [InlineData("abq", "smoothing-form", "value")]
    [InlineData("abq", "smoothing-alpha", "0.75")]
    [InlineData("abq", "clipping", "off")]
    [InlineData("abq", "clipping-search", "off")]
    [InlineData("abq", "grid", "search")]
    [InlineData("abq", "grid", "minmax")]
    [InlineData("omniquant", "grid", "search")]
    [InlineData("abq", "compensation", "none")]
    [InlineData("abq", "compensation", "rank-one")]
    [InlineData("abq", "mse-weight", "0")]
    [InlineData("abq", "mse-form", "absolute")]
    [InlineData("abq", "cosine-weight", "0")]
    [InlineData("abq", "teachers", "float")]
    [InlineData("abq", "attention", "none")]
    [InlineData("abq", "attention", "published")]
    [InlineData("abq", "order", "fixed")]
    [InlineData("abq", "schedule", "constant")]
    [InlineData("omniquant", "patience", "1")]
    public void EverySwitchGivesAModelInTheSchemeAskedFor(string method, string option, string value)
    {
        Dictionary<string, string> named = new() { ["epochs"] = "1", [option] = value };
        MethodRun run = MethodRun.Quantize(method, new RandomModel(RandomModel.Llama(), 32, 8, null), scheme: "W2*A8g32KV4", named: named);
        foreach (LinearWeights linear in run.Blocks.SelectMany(b => b.Linears))
        {
            Assert.Equal("W2*A8g32", linear.Scheme);
            Assert.All(linear.Quantized!.ZeroPoints!, z => Assert.InRange(z, 0, 4));
        }

        Assert.NotNull(run.Manifest!["training"]);
    }

    /// <summary>A switch that changes nothing would be no ablation: each moves the weights away from those of the default.</summary>
    [SkippableTheory]
    [InlineData("smoothing", "off")]
    [InlineData("smoothing-down", "off")]
    [InlineData("smoothing-form", "value")]
    [InlineData("smoothing-alpha", "0.75")]
    [InlineData("smoothing-rate", "0")]
    [InlineData("clipping", "off")]
    [InlineData("clipping-rate", "0")]
    [InlineData("clipping-search", "off")]
    [InlineData("grid", "search")]
    [InlineData("compensation", "none")]
    [InlineData("compensation", "rank-one")]
    [InlineData("offset-rate", "0.001")]
    [InlineData("mse-weight", "0")]
    [InlineData("mse-form", "absolute")]
    [InlineData("cosine-weight", "0")]
    [InlineData("teachers", "float")]
    [InlineData("attention", "none")]
    [InlineData("attention", "published")]
    [InlineData("attention-weight", "1")]
    [InlineData("order", "fixed")]
    [InlineData("schedule", "constant")]
    public void EverySwitchActs(string option, string value)
    {
        WideVectors.Require();
        RandomModel model = new(RandomModel.Llama(), 32, 8, null);
        string[] scales = [.. new Dictionary<string, string>[] { new() { ["epochs"] = "1" }, new() { ["epochs"] = "1", [option] = value } }.Select(named =>
            string.Join(' ', MethodRun.Quantize("abq", model, scheme: "W3A8KV8", named: named).Blocks[1].Linears.SelectMany(l => l.Quantized!.Scales)))];
        Assert.NotEqual(scales[0], scales[1]);
    }

    /// <summary>Searched grids are the start where a table of measurements says so; whoever names a start gets that one.</summary>
    [SkippableTheory]
    [InlineData("abq", "W2A8", "", "grid=search")]
    [InlineData("abq", "W3A8", "", "grid=minmax")]
    [InlineData("abq", "W2A8", "clipping-search=on", "grid=minmax")]
    [InlineData("abq", "W2A8", "recipe=paper", "recipe=paper grid=minmax")]
    [InlineData("omniquant", "W2A8", "", "grid=minmax")]
    public void TheStartOfClippingGoesByTheBits(string method, string scheme, string options, string same)
    {
        WideVectors.Require();
        RandomModel model = new(RandomModel.Llama(layers: 1), 32, 4, null);
        float[] Scales(string given) => [.. MethodRun.Quantize(method, model, scheme: scheme, named: $"epochs=1 {given}".Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(o => o.Split('=')).ToDictionary(o => o[0], o => o[1]))
            .Blocks[0].Linears.SelectMany(l => l.Quantized!.Scales)];
        Assert.Equal(Scales(same), Scales(options));
    }

    [Fact]
    public void EveryBlockTellsItsLossAndTheTimeLeft()
    {
        MethodRun run = MethodRun.Quantize("abq", new RandomModel(RandomModel.Llama(), 32, 8, null), named: new() { ["epochs"] = "2" });
        Assert.Equal(["blocks.0", "blocks.1"], run.Trained.Select(t => t!.Name));
        Assert.All(run.Trained, t =>
        {
            Assert.True(t!.LossAfter < t.LossBefore, $"{t}");
            Assert.Equal(16, t.Steps);
            Assert.True(t.Seconds > 0);
            Assert.Contains(run.Said, s => s.StartsWith($"{t.Name}: loss ", StringComparison.Ordinal) && s.EndsWith(" s left", StringComparison.Ordinal));
            Assert.Contains(run.Stages, s => s.StartsWith($"{t.Name} loss ", StringComparison.Ordinal) && s.EndsWith(" s in all", StringComparison.Ordinal));
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void StreamsOnDiskChangeNothing(bool opt)
    {
        RandomModel model = new(opt ? RandomModel.Opt() : RandomModel.Llama(), 32, 8, null);
        string[] results = [.. new long[] { StreamStorage.DefaultBudget, 0, 200_000 }.Select(budget =>
        {
            MethodRun run = MethodRun.Quantize("abq", model, scheme: "W2*A8KV4", named: new() { ["epochs"] = "1" }, memory: budget);
            return string.Join(' ', run.Blocks.SelectMany(b => b.Linears).SelectMany(l => l.Quantized!.Scales)) + string.Join(' ', run.Trained);
        }).Select(r => r[..r.IndexOf("Seconds", StringComparison.Ordinal)])];
        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    /// <summary>
    /// What is trained is what runs: the student's forward pass on the decoded integers is the runtime's block, but for codes
    /// that sums in another order, and the runtime's 16-bit codes of probabilities, round the other way.
    /// </summary>
    [Theory]
    [InlineData("llama", "W4A8KV8")]
    [InlineData("llama", "W2*A8g32KV4")]
    [InlineData("llama", "W3A4KV4")]
    [InlineData("llama", "W4A5a16KV8")]
    [InlineData("llama", "W4A4g16a32KV8")]
    [InlineData("opt", "W4A8KV8")]
    [InlineData("opt", "W2A6KV8")]
    [InlineData("qwen3", "W4A8KV8")]
    [InlineData("gemma2", "W4A8KV8")]
    [InlineData("gemma3_text", "W3A6KV6")]
    [InlineData("phi3", "W4A8KV8")]
    [InlineData("olmo2", "W4A8KV8")]
    [InlineData("nemotron", "W4A8KV8")]
    public void TheStudentIsTheRuntimesBlock(string modelType, string scheme)
    {
        ModelConfig config = modelType switch { "opt" => RandomModel.Opt(), "llama" => RandomModel.Llama(), _ => RandomModel.Of(modelType, 2, Wide(BlockFixture.LayoutsOf(modelType)[0])) };
        RandomModel model = new(config, 32, 8, null);
        QuantizationScheme widths = QuantizationScheme.Parse(scheme);
        BlockWeights quantized = MethodRun.Quantize("abq", model, scheme: scheme, named: new() { ["epochs"] = "1" }).Blocks[0];
        using StreamStorage storage = new(Path.GetTempPath());
        using BlockStream stream = new(model, [[.. Enumerable.Range(1, 40)]], widths.KeyValueBits, storage);
        float[] x = stream.Read(0);
        stream.Advance(quantized);
        float[] expected = stream.Read(0);
        double near = Distance(expected, StudentForward(config, quantized, x, widths.ActivationBits, widths.KeyValueBits, widths.ActivationGroupSize));
        double exactActivations = Distance(expected, StudentForward(config, quantized, x, 16, 16));
        Assert.True(near < 0.25 * exactActivations, $"student {near}, without quantized activations {exactActivations}");
    }

    [Theory]
    [InlineData("abq", "attention", "maybe")]
    [InlineData("abq", "epochs", "-1")]
    [InlineData("abq", "order", "random")]
    [InlineData("abq", "smoothing-alpha", "1.5")]
    [InlineData("omniquant", "recipe", "best")]
    public void OptionsOutOfRangeAreRefusedByName(string method, string option, string value)
    {
        MethodUsageException e = Assert.Throws<MethodUsageException>(() => MethodRun.Quantize(method, new RandomModel(RandomModel.Llama(), 32, 8, null), named: new() { [option] = value }));
        Assert.Equal(option, e.Option);
    }

    /// <summary>The same with more channels, so that a code that rounds the other way is a small part of all.</summary>
    private static BlockLayout Wide(BlockLayout layout) => layout with
    {
        Hidden = 64,
        Intermediate = 152,
        Attention = layout.Attention with { HeadSize = 16, Scale = 0.25f },
        Rotary = layout.Rotary is { } rotary ? new RotaryLayout(rotary.Dimensions == layout.Attention.HeadSize ? 16 : 8, 10000) : null,
    };

    private static float[] StudentForward(ModelConfig config, BlockWeights block, float[] x, int activationBits, int keyValueBits, int activationGroup = 0)
    {
        int tokens = x.Length / config.HiddenSize;
        BlockLayout layout = block.Layout;
        BlockTensors tensors = new(layout);
        foreach (BlockNorm norm in layout.Norms)
        {
            tensors[norm] = new NormTensors([.. block[norm].Gain], block[norm].Bias?.ToArray());
        }

        foreach (BlockSlot slot in layout.Slots)
        {
            tensors[slot] = Decoded(block[slot].Quantized!);
        }

        TrainingRotary? rotary = layout.Rotary is { } positions ? new TrainingRotary(positions.Table(tokens)) : null;
        float[] y = new float[x.Length];
        new TrainingBlock(layout, tokens, activationBits, keyValueBits, rotary, activationGroup).Forward(tensors, x, y, tokens);
        return y;
    }

    private static LinearTensors Decoded(QuantizedLinear linear)
    {
        GroupLayout layout = linear.Weights.Layout;
        short[] codes = new short[linear.OutputFeatures * layout.Columns];
        BitPacking.Unpack(linear.Weights, codes);
        float[] weights = new float[codes.Length];
        for (int i = 0; i < codes.Length; i++)
        {
            int row = i / layout.Columns, group = i % layout.Columns / (linear.GroupSize == 0 ? layout.Columns : linear.GroupSize);
            weights[i] = linear.Scales[row * linear.ScaleGroups.Count + group] * (codes[i] - linear.ZeroPoints![row, group]);
        }

        return new LinearTensors(linear.OutputFeatures, layout.Columns, weights, linear.Bias);
    }

    private static double Distance(float[] a, float[] b) => Math.Sqrt(a.Zip(b, (p, q) => (double)(p - q) * (p - q)).Sum());
}
