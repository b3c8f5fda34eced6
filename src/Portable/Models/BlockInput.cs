namespace Portable.Models;

/// <summary>The inputs of a block's linears: linears that share one are quantized together.</summary>
internal enum BlockInput
{
    /// <summary>Output of the attention norm, read by q, k and v.</summary>
    Attention,

    /// <summary>Output of the attention, read by o.</summary>
    Output,

    /// <summary>Output of the MLP norm, read by gate and up (OPT: fc1).</summary>
    Mlp,

    /// <summary>The activation's output, read by down (OPT: fc2).</summary>
    Down,
}

/// <summary>Which linears read which input.</summary>
internal static class BlockInputs
{
    /// <summary>The four inputs in the order of the forward pass.</summary>
    public static IReadOnlyList<BlockInput> All { get; } = [BlockInput.Attention, BlockInput.Output, BlockInput.Mlp, BlockInput.Down];

    /// <summary>The linears that read an input.</summary>
    public static IReadOnlyList<LinearWeights> Reading(this BlockWeights block, BlockInput input) => input switch
    {
        BlockInput.Attention => [block.Query, block.Key, block.Value],
        BlockInput.Output => [block.Output],
        BlockInput.Mlp => block.Gate is { } gate ? [gate, block.Up] : [block.Up],
        _ => [block.Down],
    };

    /// <summary>Columns of an input.</summary>
    public static int Columns(this ModelConfig config, BlockInput input) => input switch
    {
        BlockInput.Output => config.QueryWidth,
        BlockInput.Down => config.IntermediateSize,
        _ => config.HiddenSize,
    };
}
