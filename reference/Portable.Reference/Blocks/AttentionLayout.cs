namespace Portable.Reference.Blocks;

/// <summary>How a block attends: everything that attention needs to know of its block beyond the tensors.</summary>
/// <param name="Heads">Query heads, a multiple of <paramref name="KeyValueHeads"/>.</param>
/// <param name="KeyValueHeads">Key and value heads.</param>
/// <param name="HeadSize">Width of a head.</param>
internal sealed record AttentionLayout(int Heads, int KeyValueHeads, int HeadSize)
{
    /// <summary>Factor of the scores; fl(1/√head size) unless an architecture says otherwise (square root and quotient are correctly rounded in double).</summary>
    public float Scale { get; init; } = (float)(1 / Math.Sqrt(HeadSize));

    /// <summary>Query heads that share a key and value head.</summary>
    public int GroupHeads => Heads / KeyValueHeads;

    /// <summary>Width of the concatenated query heads.</summary>
    public int QueryWidth => Heads * HeadSize;

    /// <summary>Width of the concatenated key (or value) heads.</summary>
    public int KeyValueWidth => KeyValueHeads * HeadSize;
}
