using System.Runtime.InteropServices;
using Portable.Execution;
using Portable.Inference;

namespace Portable.Generation;

/// <summary>Continues a prompt token by token.</summary>
/// <param name="model">The model.</param>
/// <param name="sampler">Chooses tokens.</param>
/// <param name="sequence">The cache slot to use.</param>
/// <param name="steps">Held while the model runs, where others run it too; null = nobody does.</param>
/// <param name="held">Token ids whose keys and values the slot holds; what the prompt begins with of them is not fed again. Kept up to date.</param>
internal sealed class Generator(Transformer model, Sampler sampler, int sequence = 0, Lock? steps = null, List<int>? held = null)
{
    private readonly Lock _steps = steps ?? new Lock();
    private readonly List<int> _held = held ?? [];

    /// <summary>Yields new tokens as they are made.</summary>
    /// <param name="prompt">Token ids, BOS included where the model wants one; at least one.</param>
    /// <param name="count">The most tokens to make.</param>
    /// <param name="ignoreEnd">Go on after an end token.</param>
    /// <param name="cancellation">Stops between tokens.</param>
    /// <param name="ends">End tokens beside the model's own.</param>
    /// <exception cref="ArgumentException">The prompt is empty or fills the context.</exception>
    public IEnumerable<int> Generate(int[] prompt, int count, bool ignoreEnd = false, CancellationToken cancellation = default, params int[] ends)
    {
        if (prompt.Length == 0)
        {
            throw new ArgumentException("The prompt has no token.");
        }

        if (prompt.Length >= model.Context)
        {
            throw new ArgumentException($"The prompt has {prompt.Length} tokens; the model's context is {model.Context}.");
        }

        sampler.Observe(prompt);
        // The last token is always fed: its logits are wanted.
        int position = Math.Min(CollectionsMarshal.AsSpan(_held).CommonPrefixLength(prompt), prompt.Length - 1), token = 0;
        position = model.Forgets && position < _held.Count ? 0 : position;
        while (position < prompt.Length)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = Math.Min(model.MaximumRows, prompt.Length - position);
            token = Step(prompt.AsSpan(position, rows), position, choose: position + rows == prompt.Length);
            position += rows;
        }

        for (int made = 0; made < count;)
        {
            if (!ignoreEnd && (model.Config.EndTokens.Contains(token) || ends.Contains(token)))
            {
                yield break;
            }

            yield return token;
            made++;
            if (made == count || position == model.Context)
            {
                yield break;
            }

            cancellation.ThrowIfCancellationRequested();
            token = Step([token], position++, choose: true);
        }
    }

    // Logits are the model's until its next pass: the token is chosen before another may run it.
    private int Step(ReadOnlySpan<int> tokens, int position, bool choose)
    {
        lock (_steps)
        {
            _held.RemoveRange(position, _held.Count - position);
            ReadOnlySpan<float> logits = model.Forward(Batch.Consecutive(tokens, position, allLogits: false, sequence));
            _held.AddRange(tokens);
            return choose ? sampler.Next(logits, position + tokens.Length) : 0;
        }
    }
}
