namespace Portable.Generation;

/// <summary>
/// How the next token is chosen from logits, in this order: logit bias, repetition, presence and frequency penalty, temperature,
/// top-k, top-p, min-p, a draw. What is left out changes nothing.
/// </summary>
internal sealed record SamplingOptions
{
    /// <summary>0 = greedy (the largest logit, the lowest id among equals); otherwise logits are divided by it.</summary>
    public double Temperature { get; init; }

    /// <summary>Keep the K largest logits; 0 = all.</summary>
    public int TopK { get; init; }

    /// <summary>Keep the smallest set of likeliest tokens whose probability reaches P, 0 &lt; P ≤ 1.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Keep tokens at least this often as likely as the likeliest, 0 ≤ P ≤ 1.</summary>
    public double MinP { get; init; }

    /// <summary>Positive logits of tokens of the prompt and the answer are divided by it, negative ones multiplied (arXiv 1909.05858); 1 = none.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Taken from the logit of a token that the answer holds.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Taken from the logit of a token once for every time that the answer holds it.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Added to the logits of tokens, by id.</summary>
    public IReadOnlyDictionary<int, double> LogitBias { get; init; } = new Dictionary<int, double>();

    /// <summary>Seed of the draws: the same seed, model and prompt give the same text on every device.</summary>
    public long Seed { get; init; }

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public void Validate()
    {
        Require(Temperature >= 0 && double.IsFinite(Temperature), "Temperature must be 0 or more", Temperature, nameof(Temperature));
        Require(TopK >= 0, "Top-k must be 0 (all) or more", TopK, nameof(TopK));
        Require(TopP is > 0 and <= 1, "Top-p must be over 0 and at most 1", TopP, nameof(TopP));
        Require(MinP is >= 0 and <= 1, "Min-p must be between 0 and 1", MinP, nameof(MinP));
        Require(RepetitionPenalty > 0 && double.IsFinite(RepetitionPenalty), "The repetition penalty must be over 0", RepetitionPenalty, nameof(RepetitionPenalty));
        Require(double.IsFinite(PresencePenalty), "The presence penalty must be a number", PresencePenalty, nameof(PresencePenalty));
        Require(double.IsFinite(FrequencyPenalty), "The frequency penalty must be a number", FrequencyPenalty, nameof(FrequencyPenalty));
        foreach ((int id, double bias) in LogitBias)
        {
            Require(id >= 0, "A logit bias needs a token id of 0 or more", id, nameof(LogitBias));
            Require(!double.IsNaN(bias) && bias < 1e6, $"The logit bias of token {id} must be a number below a million", bias, nameof(LogitBias));
        }
    }

    private static void Require(bool holds, string rule, double value, string name)
    {
        if (!holds)
        {
            throw new ArgumentException(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{rule}, not {value}."), name);
        }
    }
}
