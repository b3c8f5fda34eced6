namespace Portable.Reference.Training;

/// <summary>The linear layers of a decoder block. OPT: Up = fc1, Down = fc2, no gate.</summary>
internal enum BlockLinear
{
    /// <summary>Query projection, (heads × head size) × hidden.</summary>
    Query,

    /// <summary>Key projection, (KV heads × head size) × hidden.</summary>
    Key,

    /// <summary>Value projection, (KV heads × head size) × hidden.</summary>
    Value,

    /// <summary>Attention output projection, hidden × (heads × head size).</summary>
    Output,

    /// <summary>Gate projection, intermediate × hidden.</summary>
    Gate,

    /// <summary>Up projection, intermediate × hidden.</summary>
    Up,

    /// <summary>Down projection, hidden × intermediate.</summary>
    Down,
}

/// <summary>Shape and layout of a decoder block.</summary>
/// <param name="Hidden">Width of the residual stream.</param>
/// <param name="Intermediate">Width of the MLP.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key and value heads; divides <paramref name="Heads"/>.</param>
/// <param name="HeadSize">Width of a head; even where positions are rotary.</param>
/// <param name="Gated">True: RMSNorm, rotary positions, SiLU gate (LLaMA). False: LayerNorm, ReLU, no rotary positions (OPT).</param>
/// <param name="NormEpsilon">ε of the norms.</param>
internal sealed record BlockShape(int Hidden, int Intermediate, int Heads, int KeyValueHeads, int HeadSize, bool Gated, float NormEpsilon)
{
    /// <summary>Width of the concatenated query heads.</summary>
    public int QueryWidth => Heads * HeadSize;

    /// <summary>Width of the concatenated key (or value) heads.</summary>
    public int KeyValueWidth => KeyValueHeads * HeadSize;

    /// <summary>Query heads that share a key and value head.</summary>
    public int GroupHeads => Heads / KeyValueHeads;

    /// <summary>The layers that a block of this shape has, in the order of the forward pass.</summary>
    public IReadOnlyList<BlockLinear> Linears => Gated
        ? [BlockLinear.Query, BlockLinear.Key, BlockLinear.Value, BlockLinear.Output, BlockLinear.Gate, BlockLinear.Up, BlockLinear.Down]
        : [BlockLinear.Query, BlockLinear.Key, BlockLinear.Value, BlockLinear.Output, BlockLinear.Up, BlockLinear.Down];

    /// <summary>N and K of a layer.</summary>
    public (int Rows, int Columns) SizeOf(BlockLinear linear) => linear switch
    {
        BlockLinear.Query => (QueryWidth, Hidden),
        BlockLinear.Key or BlockLinear.Value => (KeyValueWidth, Hidden),
        BlockLinear.Output => (Hidden, QueryWidth),
        BlockLinear.Gate or BlockLinear.Up => (Intermediate, Hidden),
        _ => (Hidden, Intermediate),
    };
}
