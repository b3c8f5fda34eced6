using System.Reflection;
using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Vulkan.Contact;
using Xunit;

namespace Portable.Tests.Vulkan.Contact;

/// <summary>The first check has every feature that a model may have, so that none runs on a device unproved.</summary>
public sealed class CheckedModelsTests
{
    // What no device sees: names, tokens, and factors that are folded into weights as they are loaded.
    private static readonly string[] Unseen =
    [
        nameof(ModelConfig.ModelType), nameof(ModelConfig.Blocks), nameof(ModelConfig.BeginToken), nameof(ModelConfig.EndTokens), nameof(ModelConfig.Notes),
        nameof(ModelConfig.ResidualScale), nameof(ModelConfig.LogitScale), nameof(ModelConfig.VocabularySize), nameof(ModelConfig.MaximumPositions), nameof(BlockLayout.Hidden),
        nameof(ModelConfig.TiedEmbeddings),
    ];

    [Fact]
    public void EveryPropertyOfALayoutTakesSeveralValues()
    {
        BlockLayout[] blocks = [.. CheckedModels.All.SelectMany(m => m.Config.Blocks)];
        (Type Type, object?[] Objects)[] records =
        [
            (typeof(ModelConfig), [.. CheckedModels.All.Select(m => m.Config)]),
            (typeof(BlockLayout), [.. blocks]),
            (typeof(AttentionLayout), [.. blocks.Select(b => b.Attention)]),
            (typeof(RotaryLayout), [.. blocks.Select(b => b.Rotary).OfType<RotaryLayout>()]),
        ];
        string[] constant = [.. records.SelectMany(r => r.Type.GetProperties(BindingFlags.Instance | BindingFlags.Public)
            .Where(p => p.CanWrite && !Unseen.Contains(p.Name) && r.Objects.Select(p.GetValue).Distinct().Count() < 2)
            .Select(p => $"{r.Type.Name}.{p.Name}"))];
        Assert.True(constant.Length == 0, $"No model of the first check varies {string.Join(", ", constant)}: add it to CheckedModels, and to the device.");
    }

    [Fact]
    public void EveryValueOfAFeatureOccurs()
    {
        BlockLayout[] blocks = [.. CheckedModels.All.SelectMany(m => m.Config.Blocks)];
        Assert.Equal(Enum.GetValues<NormKind>(), blocks.Select(b => b.Norm).Distinct().Order());
        Assert.Equal(Enum.GetValues<NormPlace>(), blocks.Select(b => b.NormPlace).Distinct().Order());
        Assert.Equal(Enum.GetValues<ActivationKind>(), blocks.Select(b => b.Activation).Distinct().Order());
        Assert.Equal(Enum.GetValues<QueryKeyNorm>(), blocks.Select(b => b.Attention.QueryKeyNorm).Distinct().Order());
    }
}
