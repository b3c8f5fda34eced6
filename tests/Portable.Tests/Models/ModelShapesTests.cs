using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Blocks;

namespace Portable.Tests.Models;

/// <summary>Named shapes are those of the models: their published numbers of weights, and what their blocks are.</summary>
public class ModelShapesTests
{
    /// <summary>Parameters as the makers' pages count them (a tied table once; Gemma's without the vision half).</summary>
    public static TheoryData<string, double> Published => new()
    {
        { "llama-7b", 6.738e9 },
        { "llama-2-13b", 13.016e9 },
        { "llama-2-70b", 68.977e9 },
        { "llama-3-8b", 8.030e9 },
        { "llama-3.2-1b", 1.236e9 },
        { "qwen3-0.6b", 0.596e9 },
        { "qwen3-8b", 8.191e9 },
        { "gemma-3-4b", 3.880e9 },
        { "phi-4-mini", 3.836e9 },
        { "mistral-small-24b", 23.572e9 },
        { "opt-6.7b", 6.658e9 },
    };

    [Theory]
    [MemberData(nameof(Published))]
    public void AShapeHasTheWeightsOfItsModel(string name, double parameters)
    {
        ModelConfig config = ModelShapes.Find(name);
        long table = (long)config.VocabularySize * config.HiddenSize;
        long count = config.Blocks.Sum(b => b.Slots.Sum(s => (long)b.SizeOf(s).Rows * b.SizeOf(s).Columns)) + (config.TiedEmbeddings ? table : 2 * table)
            + ((config.LearnedPositionOffset is { } offset ? config.MaximumPositions + offset : 0L) * config.HiddenSize);
        Assert.InRange(count / parameters, 0.999, 1.001);
    }

    [Fact]
    public void EveryShapeIsCounted() => Assert.Equal(ModelShapes.Names.Except(["small-llama"]).Order(StringComparer.Ordinal), Published.Select(r => (string)r[0]).Order(StringComparer.Ordinal));

    [Fact]
    public void BlocksAreThoseOfTheModels()
    {
        ModelConfig gemma = ModelShapes.Find("gemma-3-4b"), qwen = ModelShapes.Find("qwen3-0.6b"), phi = ModelShapes.Find("phi-4-mini"), mistral = ModelShapes.Find("mistral-small-24b"), llama = ModelShapes.Find("llama-3.2-1b");
        Assert.Equal(29, gemma.Blocks.Count(b => b.Attention.Window == 1024));
        Assert.Equal(5, gemma.Blocks.Count(b => b.Attention.Window == 0));
        Assert.All(gemma.Blocks, b => Assert.Equal((QueryKeyNorm.Heads, 256, NormPlace.Both), (b.Attention.QueryKeyNorm, b.Attention.HeadSize, b.NormPlace)));
        Assert.Equal(2, gemma.Blocks.Select(b => b.Rotary).Distinct().Count());
        Assert.Equal(MathF.Sqrt(2560), gemma.EmbeddingScale);
        Assert.All(qwen.Blocks, b => Assert.Equal((QueryKeyNorm.Heads, 128, 2048), (b.Attention.QueryKeyNorm, b.Attention.HeadSize, b.Attention.QueryWidth)));
        Assert.All(phi.Blocks, b => Assert.Equal((96, 128), (b.Rotary!.Dimensions, b.Attention.HeadSize)));
        Assert.Equal(131072, phi.MaximumPositions);
        Assert.All(mistral.Blocks, b => Assert.Equal((0, 4096), (b.Attention.Window, b.Attention.QueryWidth)));
        Assert.Equal((true, true, true, true, false), (gemma.TiedEmbeddings, qwen.TiedEmbeddings, phi.TiedEmbeddings, llama.TiedEmbeddings, mistral.TiedEmbeddings));
    }
}
