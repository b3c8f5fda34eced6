using Portable.Generation;

namespace Portable;

/// <summary>How a text is continued. Immutable; safe to share between threads.</summary>
public sealed record GenerationOptions
{
    /// <summary>The most tokens to make, at least 1.</summary>
    public int MaximumTokens { get; init; } = 128;

    /// <summary>0: always the likeliest token. Otherwise logits are divided by it: 1 is as the model says, more is wilder.</summary>
    public double Temperature { get; init; }

    /// <summary>Draw from the K likeliest tokens; 0 = all.</summary>
    public int TopK { get; init; }

    /// <summary>Draw from the likeliest tokens that together reach probability P, 0 &lt; P ≤ 1.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Seed of the draws: the same seed, model and prompt give the same text on every device.</summary>
    public int Seed { get; init; }

    /// <summary>Go on after a token that ends the text.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Validate()
    {
        if (MaximumTokens < 1)
        {
            throw new ArgumentException($"The most tokens to make must be at least 1, not {MaximumTokens}.");
        }

        Sampling.Validate();
    }

    /// <summary>The part that chooses among tokens.</summary>
    internal SamplingOptions Sampling => new(Temperature, TopK, TopP, Seed);
}
