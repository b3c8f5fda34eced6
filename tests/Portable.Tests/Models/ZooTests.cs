using System.Text.Json;
using Portable.Checkpoints.Format;
using Portable.Evaluation;
using Portable.Execution;
using Portable.Generation;
using Portable.Inference;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Quantization;
using Portable.Reference.Quantization;
using Portable.Tests.Support;

namespace Portable.Tests.Models;

/// <summary>Small trained checkpoints, one or more of every architecture in the table: the reference implementation's values in float, and quantized the same bits however tokens are fed.</summary>
public sealed class ZooTests
{
    private static readonly string[] Checkpoints =
    [
        "llama32", "llama-linear", "llama-dynamic", "qwen2", "qwen3", "qwen3-yarn", "mistral", "gemma2", "gemma3", "phi3", "phi3-plain", "olmo2", "olmo3", "granite", "smollm3", "nemotron", "ministral3",
    ];

    public static TheoryData<string> Names => [.. Checkpoints];

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Losses_and_logits_are_the_references(string name)
    {
        using IModelSource source = Open(name, out JsonElement expected);
        foreach (JsonElement prompt in expected.GetProperty("prompts").EnumerateArray().Skip(1))
        {
            int[] ids = [.. prompt.GetProperty("ids").EnumerateArray().Select(e => e.GetInt32())];
            using Transformer model = new(source, new CpuExecutor(), context: ids.Length);
            float[] logits = model.Forward(Batch.Consecutive(ids, 0, allLogits: true)).ToArray();
            int vocabulary = model.Config.VocabularySize;
            double[] wanted = [.. prompt.GetProperty("nll").EnumerateArray().Select(e => e.GetDouble())];
            Assert.All(wanted, (nll, i) => Assert.Equal(nll, CrossEntropy.Loss(logits.AsSpan(i * vocabulary, vocabulary), ids[i + 1]), 2e-4));
            int[] argmax = [.. prompt.GetProperty("argmax").EnumerateArray().Select(e => e.GetInt32())];
            Assert.InRange(argmax.Where((token, i) => token != Sampler.Greedy(logits.AsSpan(i * vocabulary, vocabulary))).Count(), 0, ids.Length / 150);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Quantized_the_bits_are_the_same_whole_and_in_pieces(string name)
    {
        using IModelSource source = new Rounded(Open(name, out JsonElement expected), QuantizationScheme.Parse("W8A8KV8"));
        int[] ids = [.. expected.GetProperty("prompts")[2].GetProperty("ids").EnumerateArray().Take(150).Select(e => e.GetInt32())];
        using Transformer model = new(source, new CpuExecutor(), sequences: 2, context: ids.Length);
        float[] whole = model.Forward(Batch.Consecutive(ids, 0, allLogits: true)).ToArray();
        List<float> pieces = [];
        int fed = 0;
        foreach (int piece in (int[])[1, 1, 7, 64, 1, 33, 43])
        {
            pieces.AddRange(model.Forward(Batch.Consecutive(ids.AsSpan(fed, piece), fed, allLogits: true, sequence: 1)));
            fed += piece;
        }

        Assert.Equal(whole, pieces);
    }

    [Fact]
    public void Every_architecture_has_a_checkpoint_here()
    {
        string[] types = [.. Checkpoints.Select(n => SharedData.Models($"zoo/{n}")).OfType<string>().Select(d => JsonDocument.Parse(File.ReadAllBytes(Path.Combine(d, "config.json"))).RootElement.GetProperty("model_type").GetString()!)];
        Assert.All(types.Length == 0 ? [] : ArchitectureTable.All.Select(a => a.ModelType).Except(["opt"]), type => Assert.Contains(type, types));
    }

    internal static IModelSource Open(string name, out JsonElement expected)
    {
        string? directory = SharedData.Models($"zoo/{name}");
        Skip.If(directory is null, SharedData.Absent);
        expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, "expected.json"))).RootElement;
        return Checkpoint.Open(directory);
    }

    /// <summary>Round-to-nearest of a float model, block by block.</summary>
    internal sealed class Rounded(IModelSource model, QuantizationScheme scheme) : WrappedModel(model)
    {
        public override int KeyValueBits => scheme.KeyValueBits;

        public override BlockWeights LoadBlock(int index) => base.LoadBlock(index).MapLinears(l =>
            l.WithQuantized(RoundToNearest.Quantize(l.ReadWeights(), l.OutputFeatures, l.InputFeatures(), l.Bias, scheme), scheme.Layer));
    }
}
