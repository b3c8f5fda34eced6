namespace Portable.Tokenizers.Pipeline;

/// <summary>A token that is looked for in a text before the model sees it.</summary>
/// <param name="Content">Its text.</param>
/// <param name="Id">Its id.</param>
internal sealed record AddedToken(string Content, int Id)
{
    /// <summary>It stands for something that is not text: it is skipped when decoding, and plain text never becomes it.</summary>
    public bool Special { get; init; }

    /// <summary>It is looked for in the normalized text.</summary>
    public bool Normalized { get; init; }

    /// <summary>It is taken only where no word character is beside it.</summary>
    public bool SingleWord { get; init; }

    /// <summary>It takes the white space in front of it.</summary>
    public bool LeftStrip { get; init; }

    /// <summary>It takes the white space behind it.</summary>
    public bool RightStrip { get; init; }
}
