using Portable.Evaluation;
using Portable.Execution;
using Portable.Inference;

namespace Portable;

/// <content>What needs the model alone: logits and perplexity.</content>
public sealed partial class LanguageModel
{
    /// <summary>Logits of the token that would come next.</summary>
    /// <param name="ids">Token ids as they are: nothing is put before them. At least one, at most <see cref="Context"/>.</param>
    /// <returns>One logit per token id.</returns>
    /// <exception cref="ArgumentException">No id, too many, or one outside the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">A text is under way.</exception>
    /// <exception cref="ObjectDisposedException">The model is, or meanwhile was, disposed of.</exception>
    public float[] Logits(ReadOnlySpan<int> ids)
    {
        float[] last = new float[VocabularySize];
        Logits(ids, (_, logits) => logits[^last.Length..].CopyTo(last));
        return last;
    }

    /// <summary>Logits of every position.</summary>
    /// <param name="ids">Token ids as they are: nothing is put before them. At least one, at most <see cref="Context"/>.</param>
    /// <param name="read">Takes the logits of some positions at a time.</param>
    /// <param name="chunk">Positions that are fed at a time; 0 = as many as the device takes. A quantized model's logits do not depend on it.</param>
    /// <param name="cancellation">Stops between chunks.</param>
    /// <exception cref="ArgumentException">No id, too many, or one outside the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">A text is under way.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model is, or meanwhile was, disposed of.</exception>
    public void Logits(ReadOnlySpan<int> ids, LogitsReader read, int chunk = 0, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_passes.IsClosed, this);
        ArgumentNullException.ThrowIfNull(read);
        ArgumentOutOfRangeException.ThrowIfNegative(chunk);
        if (ids.IsEmpty || ids.Length > Context)
        {
            throw new ArgumentException($"Logits are of 1 to {Context} tokens, not {ids.Length}.", nameof(ids));
        }

        RequireKnown(ids, nameof(ids));

        using IDisposable alone = _cache.TakeAll();
        int step = chunk == 0 ? Model.MaximumRows : Math.Min(chunk, Model.MaximumRows);
        for (int start = 0; start < ids.Length; start += step)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = Math.Min(step, ids.Length - start);
            // Logits are read within the pass: nothing frees them meanwhile.
            using PassGate.Pass pass = _passes.Enter();
            read(start, Model.Forward(Batch.Consecutive(ids.Slice(start, rows), start, allLogits: true)));
        }
    }

    /// <summary>How well the model predicts a text: non-overlapping windows, each scored on its own, a partial last one left out.</summary>
    /// <param name="text">The text.</param>
    /// <param name="context">Tokens of a window, 2 to <see cref="Context"/>; 512 unless said.</param>
    /// <param name="windows">The first so many windows; 0, the default = all.</param>
    /// <param name="progress">Told the part that is done, 0 … 1.</param>
    /// <param name="cancellation">Stops between windows.</param>
    /// <exception cref="ArgumentException">The text has no whole window, or a number is out of range.</exception>
    /// <exception cref="InvalidOperationException">A text is under way.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model is, or meanwhile was, disposed of.</exception>
    public PerplexityResult Perplexity(string text, int context = 512, int windows = 0, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_passes.IsClosed, this);
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfNegative(windows);
        int[] ids = Encode(text);
        using IDisposable alone = _cache.TakeAll();
        try
        {
            return Evaluation.Perplexity.Measure(Model, ids, context, windows, progress is null ? null : new WindowProgress(progress, Model, ids.Length / Math.Max(1, context), windows), cancellation, _passes);
        }
        finally
        {
            Model.BlockDone = null;
        }
    }

    /// <summary>Measures a text without holding up the caller; see <see cref="Perplexity"/>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="context">Tokens of a window, 2 to <see cref="Context"/>; 512 unless said.</param>
    /// <param name="windows">The first so many windows; 0, the default = all.</param>
    /// <param name="progress">Told the part that is done, 0 … 1.</param>
    /// <param name="cancellation">Stops between windows.</param>
    /// <exception cref="ArgumentException">The text has no whole window, or a number is out of range.</exception>
    /// <exception cref="InvalidOperationException">A text is under way.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model is, or meanwhile was, disposed of.</exception>
    public Task<PerplexityResult> PerplexityAsync(string text, int context = 512, int windows = 0, IProgress<double>? progress = null, CancellationToken cancellation = default) =>
        Task.Run(() => Perplexity(text, context, windows, progress, cancellation), cancellation);

    private void RequireKnown(ReadOnlySpan<int> ids, string name)
    {
        foreach (int id in ids)
        {
            if ((uint)id >= (uint)VocabularySize)
            {
                throw new ArgumentException($"Token id {id} is outside the vocabulary 0…{VocabularySize - 1}.", name);
            }
        }
    }
}
