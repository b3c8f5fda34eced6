using System.Numerics.Tensors;
using Portable.Reference.Arithmetic;

namespace Portable.Generation;

/// <summary>
/// Chooses the tokens of one answer from their logits. The choice depends on the logits, the options, the tokens so far and the
/// position alone, by f32 operations in the contract's order and exact sums: it is the same on every platform, runtime and
/// device. Not safe for use by several threads.
/// </summary>
internal sealed class Sampler
{
    private readonly SamplingOptions _options;
    private readonly int _choice;
    private readonly Dictionary<int, int> _made = [];
    private readonly HashSet<int> _seen = [];
    private readonly CandidateSelection _selection = new();
    private float[] _adjusted = [];

    /// <summary>Creates a sampler for one answer.</summary>
    /// <param name="options">How tokens are chosen.</param>
    /// <param name="choice">Which of several answers to the same prompt this is: each draws its own numbers.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public Sampler(SamplingOptions options, int choice = 0)
    {
        options.Validate();
        _options = options;
        _choice = choice;
    }

    /// <summary>Tells the sampler of tokens before the answer; the repetition penalty knows them.</summary>
    public void Observe(ReadOnlySpan<int> prompt)
    {
        if (_options.RepetitionPenalty != 1)
        {
            foreach (int id in prompt)
            {
                _seen.Add(id);
            }
        }
    }

    /// <summary>Chooses a token and counts it among the answer's.</summary>
    /// <param name="logits">One logit per token of the vocabulary.</param>
    /// <param name="position">Where the token will stand, from the start of the prompt; draws are keyed by it.</param>
    public int Next(ReadOnlySpan<float> logits, int position)
    {
        logits = Adjust(logits);
        int id = _options.Temperature == 0 ? Greedy(logits) : _selection.Draw(logits, _options, SplitMix64.Of((ulong)_options.Seed, (uint)_choice, (uint)position));
        if (_options.PresencePenalty != 0 || _options.FrequencyPenalty != 0)
        {
            _made[id] = _made.GetValueOrDefault(id) + 1;
        }

        if (_options.RepetitionPenalty != 1)
        {
            _seen.Add(id);
        }

        return id;
    }

    /// <summary>The index of the largest logit, the lowest among equals.</summary>
    public static int Greedy(ReadOnlySpan<float> logits)
    {
        // The first of equals: IndexOfMax prefers +0 to −0, so the maximum is looked up by value.
        return logits.IndexOf(TensorPrimitives.Max(logits));
    }

    private ReadOnlySpan<float> Adjust(ReadOnlySpan<float> logits)
    {
        if (_options.LogitBias.Count == 0 && _seen.Count == 0 && _made.Count == 0)
        {
            return logits;
        }

        if (_adjusted.Length != logits.Length)
        {
            _adjusted = new float[logits.Length];
        }

        Span<float> adjusted = _adjusted;
        logits.CopyTo(adjusted);
        foreach ((int id, double bias) in _options.LogitBias)
        {
            if (id < adjusted.Length)
            {
                adjusted[id] += (float)bias;
            }
        }

        float repetition = (float)_options.RepetitionPenalty;
        foreach (int id in _seen)
        {
            adjusted[id] = adjusted[id] > 0 ? adjusted[id] / repetition : adjusted[id] * repetition;
        }

        float presence = (float)_options.PresencePenalty, frequency = (float)_options.FrequencyPenalty;
        foreach ((int id, int count) in _made)
        {
            adjusted[id] = adjusted[id] - presence - (frequency * count);
        }

        return adjusted;
    }
}
