using Portable.Models;
using Portable.Reference.Training;

namespace Portable.Quantization.Abq;

/// <summary>Blocks of a model as the training code reads them.</summary>
internal static class FloatBlocks
{
    /// <summary>Shape of a model's blocks.</summary>
    public static BlockShape Shape(ModelConfig config) => new(
        config.HiddenSize, config.IntermediateSize, config.Heads, config.KeyValueHeads, config.HeadSize, config.Family == ModelFamily.Llama, config.NormEpsilon);

    /// <summary>Rotary positions of a model, or null for learned ones.</summary>
    public static TrainingRotary? Rotary(ModelConfig config, int tokens) => config.CreateRotary(tokens) is { } table ? new TrainingRotary(table) : null;

    /// <summary>A float block in single precision.</summary>
    public static BlockTensors Read(BlockWeights block, BlockShape shape)
    {
        BlockTensors tensors = new(shape, [.. block.AttentionNorm.Gain], block.AttentionNorm.Bias?.ToArray(), [.. block.MlpNorm.Gain], block.MlpNorm.Bias?.ToArray());
        tensors[BlockLinear.Query] = Linear(block.Query);
        tensors[BlockLinear.Key] = Linear(block.Key);
        tensors[BlockLinear.Value] = Linear(block.Value);
        tensors[BlockLinear.Output] = Linear(block.Output);
        tensors[BlockLinear.Up] = Linear(block.Up);
        tensors[BlockLinear.Down] = Linear(block.Down);
        if (block.Gate is { } gate)
        {
            tensors[BlockLinear.Gate] = Linear(gate);
        }

        return tensors;
    }

    private static LinearTensors Linear(LinearWeights linear) => new(linear.OutputFeatures, linear.InputFeatures(), linear.ReadWeights(), linear.Bias);
}
