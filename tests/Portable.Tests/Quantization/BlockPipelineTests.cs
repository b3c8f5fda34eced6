using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Checkpoints.Format;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>Every method of the table, on small random models of both families.</summary>
public class BlockPipelineTests
{
    public static TheoryData<string, bool> Methods()
    {
        TheoryData<string, bool> data = [];
        foreach (IQuantizationMethod method in QuantizationMethods.All)
        {
            data.Add(method.Name, false);
            data.Add(method.Name, true);
        }

        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Methods))]
    public void EveryMethodQuantizesEveryLinearAndTheResultRuns(string name, bool opt)
    {
        RequireTimeFor(name);
        RandomModel model = new(opt ? RandomModel.Opt() : RandomModel.Llama(), 32, 5, null);
        MethodRun run = MethodRun.Quantize(name, model);
        Assert.Equal(model.Config.Layers, run.Blocks.Count);
        foreach ((BlockWeights block, IReadOnlyList<LayerReport> reports) in run.Blocks.Zip(run.Reports))
        {
            Assert.All(block.Linears, l => Assert.NotNull(l.Quantized));
            Assert.Equal(block.Linears.Select(l => (l.Name, l.Scheme!)), reports.Select(r => (r.Name, r.Scheme)));
            Assert.All(reports, r => Assert.Equal(r.Scheme, QuantizationScheme.Parse(r.Scheme).ToString()));
            Assert.All(reports, r => Assert.InRange(r.Error, 1e-4, 0.5));
            Assert.All(reports, r => Assert.InRange(r.OutputError!.Value, 1e-4, 0.5));
        }

        using Transformer transformer = new(run.Source, new CpuExecutor());
        foreach (float logit in transformer.Forward(Batch.Consecutive([1, 2, 3], 0, allLogits: true)))
        {
            Assert.True(float.IsFinite(logit));
        }
    }

    /// <summary>Whatever the method, a run that takes long says so as it goes: before its blocks, and behind those that are done.</summary>
    [SkippableTheory]
    [MemberData(nameof(Methods))]
    public void EveryMethodShowsSignsOfLifeWithoutATerminal(string name, bool opt)
    {
        RequireTimeFor(name);
        MethodRun run = MethodRun.Quantize(name, new RandomModel(opt ? RandomModel.Opt() : RandomModel.Llama(), 32, 5, null), clock: new HandClock { Each = 11 });
        Assert.Contains(run.Said, line => line.StartsWith("checking the model: 1 of 2, ", StringComparison.Ordinal));
        Assert.Contains(run.Said, line => line.StartsWith("block 1 of 2: ", StringComparison.Ordinal) || line.Contains(": loss ", StringComparison.Ordinal));
        Assert.DoesNotContain(MethodRun.Quantize(name, new RandomModel(RandomModel.Llama(), 32, 5, null), clock: new HandClock()).Said, line => line.StartsWith("block 1 of 2", StringComparison.Ordinal) || line.StartsWith("checking the model", StringComparison.Ordinal));
    }

    /// <summary>Blocks that are fitted to quantized inputs see the embedding as an H part stores it; methods that look at the float model do not.</summary>
    [Theory]
    [InlineData("gptq", true)]
    [InlineData("rtn", false)]
    [InlineData("smoothquant", false)]
    public void WhatIsCalibratedIsWhatRuns(string method, bool sees)
    {
        RandomModel model = new(RandomModel.Llama(layers: 1), 32, 6, null);
        ulong[] Codes(string scheme) => MethodRun.Quantize(method, model, scheme: scheme).Blocks[0][BlockSlot.Query].Quantized!.Weights.Words.ToArray();
        Assert.Equal(!sees, Codes("W4A8").AsSpan().SequenceEqual(Codes("W4A8H2")));
    }

    [SkippableTheory]
    [MemberData(nameof(Methods))]
    public void AResumedRunEndsWithTheSameBlocks(string name, bool opt)
    {
        RequireTimeFor(name);
        RandomModel model = new(opt ? RandomModel.Opt() : RandomModel.Llama(), 32, 6, null);
        MethodRun whole = MethodRun.Quantize(name, model);
        MethodRun resumed = MethodRun.Quantize(name, model, whole.Kept, [whole.Blocks[0]]);
        Assert.Single(resumed.Blocks);
        foreach ((LinearWeights a, LinearWeights b) in whole.Blocks[1].Linears.Zip(resumed.Blocks[0].Linears))
        {
            Assert.Equal(a.Scheme, b.Scheme);
            Assert.Equal(a.Quantized!.Weights.Words.ToArray(), b.Quantized!.Weights.Words.ToArray());
            Assert.Equal(a.Quantized.Scales, b.Quantized.Scales);
            Assert.Equal(a.Quantized.Input.StaticScale, b.Quantized.Input.StaticScale);
        }

        Assert.Equal(whole.Blocks[1][BlockNorm.Attention].Gain, resumed.Blocks[0][BlockNorm.Attention].Gain);
        Assert.Equal(whole.Reports[1].Select(r => (r.Error, r.OutputError)), resumed.Reports[0].Select(r => (r.Error, r.OutputError)));
        Assert.Equal(whole.Manifest?.ToJsonString(), resumed.Manifest?.ToJsonString());
    }

    /// <summary>Weights that overflow f32 in the second block: no method makes codes of what they give, and the error names the layer.</summary>
    [SkippableTheory]
    [MemberData(nameof(Methods))]
    public void AModelThatIsNotFiniteIsRefusedByLayer(string name, bool opt)
    {
        RandomModel model = new(opt ? RandomModel.Opt() : RandomModel.Llama(), 32, 5, null);
        NonFiniteModelException e = Assert.Throws<NonFiniteModelException>(() => MethodRun.Quantize(name, new OverflowingModel(model)));
        Assert.Contains("blocks.1.down", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    // The same code as abq with other settings and five times its steps.
    private static void RequireTimeFor(string method)
    {
        if (method == "omniquant")
        {
            WideVectors.Require();
        }
    }

    /// <summary>What a calibration device leaves to the CPU is said, and nothing is where it leaves nothing.</summary>
    [Theory]
    [InlineData("gptq", "search", false)]
    [InlineData("gptq", "minmax", false)]
    [InlineData("flexq", "search", false)]
    [InlineData("flexq", "minmax", false)]
    [InlineData("rtn", "search", false)]
    [InlineData("abq", "minmax", false)]
    [InlineData("abq", "search", true)]
    [InlineData("flatten", null, true)]
    public void WhatADeviceLeavesToTheCpuIsSaid(string method, string? grid, bool leaves)
    {
        Dictionary<string, string> named = grid is null ? [] : new() { ["grid"] = grid };
        MethodRun run = MethodRun.Quantize(method, new RandomModel(RandomModel.Llama(layers: 1), 32, 7, null), named: named, device: new CpuCalibration());
        Assert.Equal(leaves, run.Said.Any(s => s.Contains("run on the CPU", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("flexq", "W6A6")]
    [InlineData("flexq", "W1A6g32")]
    [InlineData("flexq", "W2*A6g32")]
    [InlineData("rtn", "W4A1")]
    [InlineData("gptq", "W4A1")]
    public void SchemesThatAMethodCannotServeAreRefused(string name, string scheme) =>
        Assert.Throws<FormatException>(() => MethodRun.Quantize(name, new RandomModel(RandomModel.Llama(), 32, 7, null), scheme: scheme));

    [Theory]
    [InlineData("gptq", "act-order", "maybe")]
    [InlineData("gptq", "damping", "-1")]
    [InlineData("flexq", "a8-budget", "2")]
    [InlineData("flexq", "refine", "yes")]
    public void OptionsOutOfRangeAreRefusedByName(string name, string option, string value)
    {
        MethodUsageException e = Assert.Throws<MethodUsageException>(() => MethodRun.Quantize(name, new RandomModel(RandomModel.Llama(), 32, 7, null), named: new() { [option] = value }));
        Assert.Equal(option, e.Option);
    }
}

/// <summary>A quantization in memory.</summary>
internal sealed class MethodRun
{
    private MethodRun(IModelSource source) => Source = source;

    public List<BlockWeights> Blocks { get; } = [];

    public List<IReadOnlyList<LayerReport>> Reports { get; } = [];

    public Dictionary<string, JsonNode> Kept { get; } = [];

    public List<BlockTraining?> Trained { get; } = [];

    public List<string> Said { get; } = [];

    public List<string> Stages { get; } = [];

    public JsonObject? Manifest { get; private set; }

    public IModelSource Source { get; private set; }

    public static string DefaultScheme(string method) => method switch
    {
        "flexq" => "W6A6g32",
        "smoothquant" or "flatten" => "W8A8",
        _ => "W4A8",
    };

    public static MethodRun Quantize(string method, IModelSource model, Dictionary<string, JsonNode>? kept = null, IReadOnlyList<BlockWeights>? finished = null, string? scheme = null, Dictionary<string, string>? named = null, CalibrationSet? calibration = null, long memory = StreamStorage.DefaultBudget, ICalibrationDevice? device = null, ScaleFormat scales = ScaleFormat.Half, TimeProvider? clock = null)
    {
        MethodRun run = new(model);
        Random random = new(3);
        int[] tokens = [.. Enumerable.Range(0, 400).Select(_ => random.Next(model.Config.VocabularySize))];
        using StreamStorage storage = new(Path.Combine(Path.GetTempPath(), $"portable-method-{Guid.NewGuid():N}"), memory);
        QuantizationContext context = new()
        {
            Source = model,
            Scheme = QuantizationScheme.Parse(scheme ?? DefaultScheme(method)),
            Options = new MethodOptions { Samples = 8, Context = 40, Named = named ?? [] },
            Calibration = calibration ?? CalibrationSet.FromTokens(tokens, 8, 40, 0),
            Scales = scales,
            Storage = storage,
            Device = device,
            Recall = key => kept?.GetValueOrDefault(key),
            Keep = (key, value) => run.Kept[key] = value,
            Say = run.Said.Add,
            Warn = run.Said.Add,
            Progress = (stage, _, _) => run.Stages.Add(stage),
            Cancellation = CancellationToken.None,
        };
        run.Manifest = BlockPipeline.Run(QuantizationMethods.Find(method), context, i => i < finished?.Count ? finished[i] : null, (_, block, reports) =>
        {
            run.Blocks.Add(block.Weights);
            run.Trained.Add(block.Training);
            run.Reports.Add(reports);
        }, clock);
        run.Source = new QuantizedSource(model, [.. finished ?? [], .. run.Blocks], context.Scheme.KeyValueBits);
        return run;
    }
}
