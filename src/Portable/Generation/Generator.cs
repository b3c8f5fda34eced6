using Portable.Execution;
using Portable.Inference;

namespace Portable.Generation;

/// <summary>Continues a prompt token by token.</summary>
/// <param name="model">The model.</param>
/// <param name="sampler">Chooses tokens.</param>
/// <param name="taken">The sequence to use, with room for the text: what it holds of the prompt is not fed again. Null = the first, from its beginning.</param>
/// <param name="passes">Lets one pass run at a time, where others run the model too; null = nobody does.</param>
internal sealed class Generator(Transformer model, Sampler sampler, TakenSequence? taken = null, PassGate? passes = null)
{
    /// <summary>Yields new tokens as they are made.</summary>
    /// <param name="prompt">Token ids, BOS included where the model wants one; at least one.</param>
    /// <param name="count">The most tokens to make.</param>
    /// <param name="ignoreEnd">Go on after an end token.</param>
    /// <param name="cancellation">Stops between tokens.</param>
    /// <param name="ends">End tokens beside the model's own.</param>
    /// <exception cref="ArgumentException">The prompt is empty or fills the context.</exception>
    /// <exception cref="ObjectDisposedException">The model was closed.</exception>
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
        int position = taken?.Held ?? 0, token = 0;
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
        using PassGate.Pass pass = passes is null ? default : passes.Enter();
        ReadOnlySpan<float> logits = model.Forward(Batch.Consecutive(tokens, position, allLogits: false, taken?.Index ?? 0));
        taken?.Add(tokens);
        return choose ? sampler.Next(logits, position + tokens.Length) : 0;
    }
}
