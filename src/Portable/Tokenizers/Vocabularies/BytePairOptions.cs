namespace Portable.Tokenizers.Vocabularies;

/// <summary>How byte-pair encoding treats what its vocabulary lacks, and whole words.</summary>
internal sealed record BytePairOptions
{
    /// <summary>The token for an unknown character, or null: it is left out.</summary>
    public string? UnknownToken { get; init; }

    /// <summary>A run of unknown characters is one token.</summary>
    public bool FuseUnknown { get; init; }

    /// <summary>An unknown character is its bytes, &lt;0x00&gt; … &lt;0xFF&gt;, where all of them are tokens.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>A piece that is a token is that token, whatever merging would give.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>Pieces are read as bytes in GPT-2's alphabet.</summary>
    public bool Bytes { get; init; }
}
