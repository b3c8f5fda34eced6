namespace Portable.Reference.Blocks;

/// <summary>The normalisations that a decoder block may have.</summary>
internal enum BlockNorm
{
    /// <summary>Before the attention.</summary>
    Attention,

    /// <summary>Before the MLP.</summary>
    Mlp,

    /// <summary>Of the attention's output, before it is added to the residual stream.</summary>
    AfterAttention,

    /// <summary>Of the MLP's output, before it is added to the residual stream.</summary>
    AfterMlp,

    /// <summary>Of the queries, before rotary positions.</summary>
    Query,

    /// <summary>Of the keys, before rotary positions.</summary>
    Key,
}

/// <summary>What a normalisation computes.</summary>
internal enum NormKind
{
    /// <summary>RMSNorm: x / √(mean x² + ε) · gain.</summary>
    Rms,

    /// <summary>LayerNorm: (x − mean) / √(variance + ε) · gain + bias.</summary>
    Layer,
}

/// <summary>Where the norms of a block's two parts stand.</summary>
internal enum NormPlace
{
    /// <summary>x + part(norm(x)).</summary>
    Before,

    /// <summary>x + norm(part(x)).</summary>
    After,

    /// <summary>x + norm(part(norm(x))).</summary>
    Both,
}

/// <summary>What the RMSNorms of queries and keys run over.</summary>
internal enum QueryKeyNorm
{
    /// <summary>There are none.</summary>
    None,

    /// <summary>Each head by itself; one gain of head size for all.</summary>
    Heads,

    /// <summary>All heads together.</summary>
    Width,
}
