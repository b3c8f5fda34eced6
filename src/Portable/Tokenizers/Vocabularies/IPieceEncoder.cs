namespace Portable.Tokenizers.Vocabularies;

/// <summary>The model of a tokenizer: ids of one piece of text.</summary>
internal interface IPieceEncoder
{
    /// <summary>Its tokens.</summary>
    TokenTable Tokens { get; }

    /// <summary>Appends the ids of a piece.</summary>
    /// <param name="piece">Valid UTF-16.</param>
    /// <param name="ids">Receives ids.</param>
    /// <param name="avoided">Ids that a piece as a whole must not become; null: any.</param>
    void Encode(ReadOnlySpan<char> piece, List<int> ids, IReadOnlySet<int>? avoided);
}
