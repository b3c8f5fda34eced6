using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Blocks;
using Xunit;

namespace Portable.Tests.Models;

/// <summary>What stands for a model in a benchmark of quantization is named as the model is: methods and reports go by it.</summary>
public class SyntheticFloatsTests
{
    [Theory]
    [InlineData("llama-7b", "model.layers.1.self_attn.q_proj", "model.layers.1.mlp.down_proj")]
    [InlineData("opt-6.7b", "model.decoder.layers.1.self_attn.q_proj", "model.decoder.layers.1.fc2")]
    public void LinearsHaveTheNamesOfTheirArchitecture(string shape, string first, string last)
    {
        ModelConfig config = ModelShapes.Find(shape);
        BlockLayout small = config.Blocks[0] with { Hidden = 64, Intermediate = 128, Attention = new AttentionLayout(1, 1, 64) };
        using SyntheticFloats model = new(config with { Blocks = [small, small], VocabularySize = 16 });
        string[] names = [.. model.LoadBlock(1).Linears.Select(l => l.Name)];
        Assert.Equal((first, last), (names[0], names[^1]));
    }
}
