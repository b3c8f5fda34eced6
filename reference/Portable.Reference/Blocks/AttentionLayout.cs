namespace Portable.Reference.Blocks;

/// <summary>How a block attends: everything that attention needs to know of its block beyond the tensors.</summary>
/// <param name="Heads">Query heads, a multiple of <paramref name="KeyValueHeads"/>.</param>
/// <param name="KeyValueHeads">Key and value heads.</param>
/// <param name="HeadSize">Width of a head.</param>
internal sealed record AttentionLayout(int Heads, int KeyValueHeads, int HeadSize)
{
    /// <summary>Factor of the scores; fl(1/√head size) unless an architecture says otherwise (square root and quotient are correctly rounded in double).</summary>
    public float Scale { get; init; } = (float)(1 / Math.Sqrt(HeadSize));

    /// <summary>Positions that a token sees, itself included; 0 = all before it.</summary>
    public int Window { get; init; }

    /// <summary>c of s ← c·tanh(s/c) on the scores; 0 = none.</summary>
    public float Softcap { get; init; }

    /// <summary>RMSNorms of queries and keys, before rotary positions.</summary>
    public QueryKeyNorm QueryKeyNorm { get; init; }

    /// <summary>The first position that a token at <paramref name="position"/> sees.</summary>
    public int FirstSeen(int position) => Window == 0 ? 0 : Math.Max(0, position - Window + 1);

    /// <summary>Query heads that share a key and value head.</summary>
    public int GroupHeads => Heads / KeyValueHeads;

    /// <summary>Width of the concatenated query heads.</summary>
    public int QueryWidth => Heads * HeadSize;

    /// <summary>Width of the concatenated key (or value) heads.</summary>
    public int KeyValueWidth => KeyValueHeads * HeadSize;
}
