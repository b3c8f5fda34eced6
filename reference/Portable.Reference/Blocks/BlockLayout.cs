namespace Portable.Reference.Blocks;

/// <summary>
/// A decoder block as data: its sizes, its linears and norms, and what is computed between them. Everything that runs, trains,
/// calibrates, stores or invents a block asks this record; nothing asks which family a model is of.
/// </summary>
internal sealed record BlockLayout
{
    /// <summary>Width of the residual stream.</summary>
    public required int Hidden { get; init; }

    /// <summary>Width of the MLP.</summary>
    public required int Intermediate { get; init; }

    /// <summary>Heads, and how they attend.</summary>
    public required AttentionLayout Attention { get; init; }

    /// <summary>Rotary positions, or null where queries and keys do not turn.</summary>
    public RotaryLayout? Rotary { get; init; }

    /// <summary>Kind of the norms of the residual stream.</summary>
    public NormKind Norm { get; init; } = NormKind.Rms;

    /// <summary>Where they stand.</summary>
    public NormPlace NormPlace { get; init; } = NormPlace.Before;

    /// <summary>ε of all norms.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>The MLP's activation.</summary>
    public ActivationKind Activation { get; init; } = ActivationKind.Silu;

    /// <summary>Whether the MLP is down(activation(gate) · up), or down(activation(up)).</summary>
    public bool Gated { get; init; } = true;

    /// <summary>Whether q, k and v have a bias.</summary>
    public bool AttentionBias { get; init; }

    /// <summary>Whether o has a bias.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Whether gate, up and down have a bias.</summary>
    public bool MlpBias { get; init; }

    /// <summary>The linears, in the order of the forward pass.</summary>
    public IReadOnlyList<BlockSlot> Slots => Gated
        ? [BlockSlot.Query, BlockSlot.Key, BlockSlot.Value, BlockSlot.Output, BlockSlot.Gate, BlockSlot.Up, BlockSlot.Down]
        : [BlockSlot.Query, BlockSlot.Key, BlockSlot.Value, BlockSlot.Output, BlockSlot.Up, BlockSlot.Down];

    /// <summary>The norms.</summary>
    public IReadOnlyList<BlockNorm> Norms =>
    [
        .. HasNormsBefore ? (BlockNorm[])[BlockNorm.Attention, BlockNorm.Mlp] : [],
        .. HasNormsAfter ? (BlockNorm[])[BlockNorm.AfterAttention, BlockNorm.AfterMlp] : [],
        .. Attention.QueryKeyNorm != QueryKeyNorm.None ? (BlockNorm[])[BlockNorm.Query, BlockNorm.Key] : [],
    ];

    /// <summary>Whether what enters attention and MLP is normalised.</summary>
    public bool HasNormsBefore => NormPlace != NormPlace.After;

    /// <summary>Whether what attention and MLP give is normalised before it is added.</summary>
    public bool HasNormsAfter => NormPlace != NormPlace.Before;

    /// <summary>N and K of a linear.</summary>
    public (int Rows, int Columns) SizeOf(BlockSlot slot) => slot switch
    {
        BlockSlot.Query => (Attention.QueryWidth, Hidden),
        BlockSlot.Key or BlockSlot.Value => (Attention.KeyValueWidth, Hidden),
        BlockSlot.Output => (Hidden, Attention.QueryWidth),
        BlockSlot.Gate or BlockSlot.Up => (Intermediate, Hidden),
        _ => (Hidden, Intermediate),
    };

    /// <summary>Columns of an input.</summary>
    public int Columns(BlockInput input) => SizeOf(Reading(input)[0]).Columns;

    /// <summary>The linears that read an input.</summary>
    public IReadOnlyList<BlockSlot> Reading(BlockInput input) => [.. Slots.Where(s => BlockInputs.Of(s) == input)];

    /// <summary>Whether a linear has a bias.</summary>
    public bool HasBias(BlockSlot slot) => slot switch
    {
        BlockSlot.Query or BlockSlot.Key or BlockSlot.Value => AttentionBias,
        BlockSlot.Output => OutputBias,
        _ => MlpBias,
    };

    /// <summary>Values of a norm's gain.</summary>
    public int WidthOf(BlockNorm norm) => norm switch
    {
        BlockNorm.Query => Attention.QueryKeyNorm == QueryKeyNorm.Heads ? Attention.HeadSize : Attention.QueryWidth,
        BlockNorm.Key => Attention.QueryKeyNorm == QueryKeyNorm.Heads ? Attention.HeadSize : Attention.KeyValueWidth,
        _ => Hidden,
    };

    /// <summary>Whether a norm has a bias.</summary>
    public bool HasBias(BlockNorm norm) => Norm == NormKind.Layer && norm is not (BlockNorm.Query or BlockNorm.Key);
}
