namespace Portable.Tokenizers;

/// <summary>A model's texts as tokens; the tokenizer is read when first used: logits need none.</summary>
/// <param name="directory">The model's directory.</param>
internal sealed class ModelText(string directory)
{
    private readonly Lazy<ITokenizer> _tokenizer = new(() => Tokenizers.Tokenizer.Open(directory));

    /// <summary>The tokenizer.</summary>
    public ITokenizer Tokenizer => _tokenizer.Value;

    /// <summary>Token ids of a text, with what the model wants around it.</summary>
    public int[] EncodeInput(string text) => Tokenizer.EncodeInput(text);
}
