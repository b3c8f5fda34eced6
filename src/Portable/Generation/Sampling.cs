using Portable.Reference.Arithmetic;

namespace Portable.Generation;

/// <summary>How the next token is chosen from logits.</summary>
/// <param name="Temperature">0 = greedy (the largest logit, the lowest id among equals); otherwise logits are divided by it.</param>
/// <param name="TopK">Keep the K largest logits; 0 = all.</param>
/// <param name="TopP">Keep the smallest set of tokens whose probability reaches P, 0 &lt; P ≤ 1.</param>
/// <param name="Seed">Seed of the draws: the same seed, model and prompt give the same text on every device.</param>
public sealed record SamplingOptions(double Temperature = 0, int TopK = 0, double TopP = 1, int Seed = 0)
{
    /// <summary>Checks the ranges.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public void Validate()
    {
        if (!(Temperature >= 0) || double.IsInfinity(Temperature))
        {
            throw new ArgumentException($"Temperature must be 0 or more, not {Temperature}.");
        }

        if (TopK < 0)
        {
            throw new ArgumentException($"Top-k must be 0 (all) or more, not {TopK}.");
        }

        if (!(TopP > 0 && TopP <= 1))
        {
            throw new ArgumentException($"Top-p must be over 0 and at most 1, not {TopP}.");
        }
    }
}

/// <summary>Draws tokens from logits.</summary>
public sealed class Sampler
{
    private readonly SamplingOptions _options;
    private readonly Random _random;

    /// <summary>Creates a sampler; its draws depend on the seed alone.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public Sampler(SamplingOptions options)
    {
        options.Validate();
        _options = options;
        _random = new Random(options.Seed);
    }

    /// <summary>Chooses a token.</summary>
    /// <param name="logits">One logit per token of the vocabulary.</param>
    public int Next(ReadOnlySpan<float> logits)
    {
        if (_options.Temperature == 0)
        {
            return Greedy(logits);
        }

        int[] ids = new int[logits.Length];
        float[] keys = new float[logits.Length];
        for (int i = 0; i < ids.Length; i++)
        {
            ids[i] = i;
            keys[i] = -logits[i];
        }

        // A stable order among equal logits: Array.Sort is not stable, so ids break ties.
        float[] negated = keys;
        Array.Sort(ids, (a, b) => negated[a] != negated[b] ? negated[a].CompareTo(negated[b]) : a.CompareTo(b));
        int kept = _options.TopK > 0 ? Math.Min(_options.TopK, ids.Length) : ids.Length;
        float inverse = (float)(1 / _options.Temperature), maximum = logits[ids[0]];
        double[] weights = new double[kept];
        double total = 0;
        for (int i = 0; i < kept; i++)
        {
            weights[i] = Contract.Exp((logits[ids[i]] - maximum) * inverse);
            total += weights[i];
        }

        double limit = _options.TopP * total, mass = 0;
        int nucleus = 0;
        while (nucleus < kept && mass < limit)
        {
            mass += weights[nucleus++];
        }

        double draw = _random.NextDouble() * mass;
        for (int i = 0; i < nucleus; i++)
        {
            draw -= weights[i];
            if (draw < 0)
            {
                return ids[i];
            }
        }

        return ids[Math.Max(nucleus - 1, 0)];
    }

    /// <summary>The index of the largest logit, the lowest among equals.</summary>
    public static int Greedy(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            if (logits[i] > logits[best])
            {
                best = i;
            }
        }

        return best;
    }
}
