using Portable.Generation;

namespace Portable;

/// <summary>How a text is continued. Immutable; safe to share between threads.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens to make, at least 1; 128 unless said.</summary>
    public int MaximumTokens { get; init; } = 128;

    /// <summary>At least 0. 0, the default: always the likeliest token. Otherwise logits are divided by it: 1 is as the model says, more is wilder.</summary>
    public double Temperature { get; init; }

    /// <summary>Draw from the K likeliest tokens, K at least 0; 0, the default = all.</summary>
    public int TopK { get; init; }

    /// <summary>Draw from the likeliest tokens that together reach probability P, 0 &lt; P ≤ 1; 1, the default = all.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Draw from the tokens at least this often as likely as the likeliest, 0 ≤ P ≤ 1; 0, the default = all.</summary>
    public double MinP { get; init; }

    /// <summary>Logits of tokens of prompt and answer are divided by it where positive, multiplied where negative (arXiv 1909.05858). Over 0; 1, the default = none.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Taken from the logit of a token that the answer holds; any finite number, negative ones favour such tokens. 0, the default = none.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Taken from the logit of a token once for every time that the answer holds it; any finite number. 0, the default = none.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of tokens, by id (0 … vocabulary − 1); below 10⁶, −∞ never draws the token. None unless said.</summary>
    public IReadOnlyDictionary<int, double> LogitBias { get; init; } = new Dictionary<int, double>();

    /// <summary>Texts that end the answer; nothing of them is part of it. None unless said.</summary>
    public IReadOnlyList<string> StopTexts { get; init; } = [];

    /// <summary>Seed of the draws: the same seed, model and prompt give the same text on every device. 0 unless said.</summary>
    public long Seed { get; init; }

    /// <summary>Which of several answers to the same prompt this is: each draws its own numbers. 0, the default, or more.</summary>
    public int Choice { get; init; }

    /// <summary>Go on after a token that ends the text; false unless said.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentException">A value is out of range, or a list is null.</exception>
    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(StopTexts);
        ArgumentNullException.ThrowIfNull(LogitBias);
        if (MaximumTokens < 1)
        {
            throw new ArgumentException($"The most tokens to make must be at least 1, not {MaximumTokens}.", nameof(MaximumTokens));
        }

        if (Choice < 0)
        {
            throw new ArgumentException($"A choice is 0 or more, not {Choice}.", nameof(Choice));
        }

        if (StopTexts.Any(string.IsNullOrEmpty))
        {
            throw new ArgumentException("A stop text must not be empty.", nameof(StopTexts));
        }

        Sampling.Validate();
    }

    /// <summary>The part that chooses among tokens.</summary>
    internal SamplingOptions Sampling => new()
    {
        Temperature = Temperature,
        TopK = TopK,
        TopP = TopP,
        MinP = MinP,
        RepetitionPenalty = RepetitionPenalty,
        PresencePenalty = PresencePenalty,
        FrequencyPenalty = FrequencyPenalty,
        LogitBias = LogitBias,
        Seed = Seed,
    };
}
