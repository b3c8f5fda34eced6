using Portable.Models;

namespace Portable.Tokenizers;

/// <summary>A model's texts as tokens; the tokenizer is read when first used: logits need none.</summary>
/// <param name="directory">The model's directory.</param>
/// <param name="config">Its configuration.</param>
internal sealed class ModelText(string directory, ModelConfig config)
{
    private readonly Lazy<ITokenizer> _tokenizer = new(() => Tokenizers.Tokenizer.Open(directory));

    /// <summary>The tokenizer.</summary>
    public ITokenizer Tokenizer => _tokenizer.Value;

    /// <summary>Token ids of a text, the model's begin token first where it has one.</summary>
    public int[] EncodeWithBegin(string text)
    {
        int[] ids = Tokenizer.Encode(text);
        return config.BeginToken is { } begin ? [begin, .. ids] : ids;
    }
}
