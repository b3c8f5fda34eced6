using Portable.Models;
using Portable.Tokenizers;

namespace Portable.Cli.Verbs;

/// <summary>A model's texts as tokens; the tokenizer is read when first used: <c>logits</c> needs none.</summary>
/// <param name="directory">The model's directory.</param>
/// <param name="config">Its configuration.</param>
public sealed class ModelText(string directory, ModelConfig config)
{
    private ITokenizer? tokenizer;

    /// <summary>The tokenizer.</summary>
    public ITokenizer Tokenizer => tokenizer ??= Tokenizers.Tokenizer.Open(directory);

    /// <summary>Token ids of a text, the model's begin token first where it has one.</summary>
    public int[] EncodeWithBegin(string text)
    {
        int[] ids = Tokenizer.Encode(text);
        return config.BeginToken is { } begin ? [begin, .. ids] : ids;
    }
}
