using Portable.Evaluation;

namespace Portable.Serving;

/// <summary>How likely the model, before any sampling option, found a token that came, and which it would have found likelier.</summary>
/// <param name="Id">The token.</param>
/// <param name="LogProbability">ln of its probability, at most 0.</param>
/// <param name="Likeliest">The likeliest tokens, the likeliest first, the lower id among equals.</param>
internal sealed record TokenLikelihood(int Id, double LogProbability, (int Id, double LogProbability)[] Likeliest)
{
    /// <summary>Reads it from the logits of the position.</summary>
    /// <param name="logits">One per token of the vocabulary.</param>
    /// <param name="id">The token that came.</param>
    /// <param name="count">How many of the likeliest.</param>
    public static TokenLikelihood Of(ReadOnlySpan<float> logits, int id, int count)
    {
        double own = -CrossEntropy.Loss(logits, id), shift = own - logits[id];
        count = Math.Min(count, logits.Length);
        List<int> best = new(count + 1);
        for (int i = 0; i < logits.Length && count > 0; i++)
        {
            if (best.Count == count && logits[i] <= logits[best[^1]])
            {
                continue;
            }

            int place = best.Count;
            while (place > 0 && logits[best[place - 1]] < logits[i])
            {
                place--;
            }

            best.Insert(place, i);
            if (best.Count > count)
            {
                best.RemoveAt(count);
            }
        }

        List<(int, double)> likeliest = new(count);
        foreach (int each in best)
        {
            likeliest.Add((each, logits[each] + shift));
        }

        return new TokenLikelihood(id, own, [.. likeliest]);
    }
}
