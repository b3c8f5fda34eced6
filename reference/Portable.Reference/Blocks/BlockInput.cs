namespace Portable.Reference.Blocks;

/// <summary>The inputs of a block's linears, in the order of the forward pass: linears that share one are quantized together.</summary>
internal enum BlockInput
{
    /// <summary>What enters the attention (where there is a norm before it, that norm's output), read by q, k and v.</summary>
    Attention,

    /// <summary>Output of the attention, read by o.</summary>
    Output,

    /// <summary>What enters the MLP, read by gate and up (OPT: fc1).</summary>
    Mlp,

    /// <summary>The activation's output, read by down (OPT: fc2).</summary>
    Down,
}

/// <summary>Which input a linear reads.</summary>
internal static class BlockInputs
{
    /// <summary>The four inputs in the order of the forward pass.</summary>
    public static IReadOnlyList<BlockInput> All { get; } = [BlockInput.Attention, BlockInput.Output, BlockInput.Mlp, BlockInput.Down];

    /// <summary>The input that a linear reads.</summary>
    public static BlockInput Of(BlockSlot slot) => slot switch
    {
        BlockSlot.Query or BlockSlot.Key or BlockSlot.Value => BlockInput.Attention,
        BlockSlot.Output => BlockInput.Output,
        BlockSlot.Gate or BlockSlot.Up => BlockInput.Mlp,
        _ => BlockInput.Down,
    };
}
