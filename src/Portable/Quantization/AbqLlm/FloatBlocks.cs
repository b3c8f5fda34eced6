using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Quantization.AbqLlm;

/// <summary>Blocks of a model as the training code reads them.</summary>
internal static class FloatBlocks
{
    /// <summary>Rotary positions of a block, or null where it has none.</summary>
    public static TrainingRotary? Rotary(BlockLayout layout, int tokens) => layout.Rotary is { } rotary ? new TrainingRotary(rotary.Table(tokens)) : null;

    /// <summary>A float block in single precision.</summary>
    public static BlockTensors Read(BlockWeights block)
    {
        BlockTensors tensors = new(block.Layout);
        foreach (BlockNorm norm in block.Layout.Norms)
        {
            tensors[norm] = new NormTensors([.. block[norm].Gain], block[norm].Bias?.ToArray());
        }

        foreach (BlockSlot slot in block.Layout.Slots)
        {
            LinearWeights linear = block[slot];
            tensors[slot] = new LinearTensors(linear.OutputFeatures, linear.InputFeatures(), linear.ReadWeights(), linear.Bias);
        }

        return tensors;
    }
}
