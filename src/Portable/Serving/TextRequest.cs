using Portable.Generation;
using Portable.Generation.Constraints;

namespace Portable.Serving;

/// <summary>A text to be continued.</summary>
internal sealed record TextRequest
{
    /// <summary>Token ids as they are; at least one, fewer than the context.</summary>
    public required int[] Prompt { get; init; }

    /// <summary>How tokens are chosen.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>Which of several answers to the same prompt this is.</summary>
    public int Choice { get; init; }

    /// <summary>The most tokens to make; 0 = the prompt's likelihoods alone are wanted.</summary>
    public int MaximumTokens { get; init; } = 128;

    /// <summary>Go on after a token that ends the text.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>End tokens beside the model's own.</summary>
    public IReadOnlyList<int> Ends { get; init; } = [];

    /// <summary>Texts that end the answer.</summary>
    public IReadOnlyList<string> StopTexts { get; init; } = [];

    /// <summary>Whose text it is: owners take turns in the queue, and prefixes are reused within one owner's texts only.</summary>
    public string Owner { get; init; } = string.Empty;

    /// <summary>Whether the text of special tokens is part of the answer's text.</summary>
    public bool KeepSpecial { get; init; }

    /// <summary>Whether the answer's text goes on with the prompt's; else it is a text of its own, as in a conversation.</summary>
    public bool Continues { get; init; }

    /// <summary>The shape of the answer; this answer's own. Null = any text.</summary>
    public TokenConstraint? Shape { get; init; }

    /// <summary>Likeliest tokens to tell of beside each token of the answer; null = tell nothing of likelihoods.</summary>
    public int? Likeliest { get; init; }

    /// <summary>Whether the likelihoods of the prompt's own tokens are wanted too, which takes all of its logits.</summary>
    public bool PromptLikelihoods { get; init; }
}
