using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.Pipeline;

/// <summary>What a tokenizer of the tokenizers package is built of.</summary>
internal sealed record PipelineParts
{
    /// <summary>Added tokens, in the order of the file.</summary>
    public required IReadOnlyList<AddedToken> Added { get; init; }

    /// <summary>Steps before added tokens with <c>normalized</c> are looked for.</summary>
    public required IReadOnlyList<Normalizer> Normalizers { get; init; }

    /// <summary>Steps that cut text into pieces.</summary>
    public required IReadOnlyList<PreTokenizer> PreTokenizers { get; init; }

    /// <summary>Encodes pieces.</summary>
    public required IPieceEncoder Model { get; init; }

    /// <summary>Whether tokens are bytes in GPT-2's alphabet.</summary>
    public required bool Bytes { get; init; }

    /// <summary>Makes the steps from tokens to text, which keep state; null: tokens are words.</summary>
    public required Func<IReadOnlyList<DecodeStep>>? DecodeSteps { get; init; }

    /// <summary>Ids that the file puts around a text.</summary>
    public required PostProcessor PostProcessor { get; init; }
}
