using Portable.Execution;
using Portable.Inference;
using Portable.Reference.Threading;

namespace Portable.Evaluation;

/// <summary>
/// Runs models over a text side by side, some rows of a window at a time, so that their distributions can be compared where they
/// lie: beyond the models there are the logits of those rows (<see cref="LogitBytes"/> a model) and three values a position.
/// </summary>
internal sealed class Lockstep
{
    /// <summary>The most bytes of logits that a model holds: 524 rows of 32,000 tokens, 130 of 128,256; always one row at least.</summary>
    public const int LogitBytes = 64 << 20;

    private readonly Transformer _reference;
    private readonly IReadOnlyList<Transformer> _others;
    private readonly int _context, _skip, _windows, _vocabulary, _rows;

    /// <summary>Sets a comparison up.</summary>
    /// <param name="reference">What the others are compared with.</param>
    /// <param name="others">Models of the same vocabulary.</param>
    /// <param name="context">Tokens of a window, at least 2.</param>
    /// <param name="windows">Windows.</param>
    /// <param name="skip">Positions at the start of each window that are read and not scored.</param>
    /// <param name="mostRows">Rows at a time; 0 = as many as devices and <see cref="LogitBytes"/> allow.</param>
    public Lockstep(Transformer reference, IReadOnlyList<Transformer> others, int context, int windows, int skip, int mostRows = 0)
    {
        (_reference, _others, _context, _windows, _skip, _vocabulary) = (reference, others, context, windows, skip, reference.Config.VocabularySize);
        int allowed = Math.Min(others.Append(reference).Min(m => m.MaximumLogitRows), Math.Max(1, LogitBytes / sizeof(float) / _vocabulary));
        _rows = mostRows == 0 ? allowed : Math.Min(mostRows, allowed);
    }

    /// <summary>Predictions that are scored in a window: the last token predicts nothing.</summary>
    private int PerWindow => _context - 1 - _skip;

    /// <summary>Runs all windows.</summary>
    /// <param name="tokens">The text's tokens.</param>
    /// <param name="progress">Told the part that is done, 0 … 1.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>The reference's positions, then those of the others in their order.</returns>
    public ScoredPositions[] Run(int[] tokens, IProgress<double>? progress, CancellationToken cancellation)
    {
        Transformer[] all = [_reference, .. _others];
        ScoredPositions[] scores = [.. all.Select(_ => new ScoredPositions(_windows * PerWindow))];
        Array.Fill(scores[0].SameTop, true);
        int inputs = _context - 1;
        try
        {
            for (int window = 0; window < _windows; window++)
            {
                for (int start = 0; start < inputs; start += _rows)
                {
                    int rows = Math.Min(_rows, inputs - start);
                    Report(all, progress, window + ((double)start / inputs), (double)rows / inputs);
                    Score(tokens.AsMemory(window * _context, _context), start, rows, scores, window * PerWindow, cancellation);
                }
            }
        }
        finally
        {
            Report(all, null, 0, 0);
        }

        progress?.Report(1);
        return scores;
    }

    private static Batch Piece(ReadOnlySpan<int> tokens, int start, int rows, int unscored) => new(
        tokens.Slice(start, rows).ToArray(), new int[rows], [.. Enumerable.Range(start, rows)], [.. Enumerable.Range(unscored, rows - unscored)]);

    private void Report(Transformer[] all, IProgress<double>? progress, double windowsDone, double part)
    {
        for (int i = 0; i < all.Length; i++)
        {
            (Transformer model, int before) = (all[i], i);
            model.BlockDone = progress is null ? null : block =>
                progress.Report(Math.Min(1, (windowsDone + (part * (before + ((double)block / model.Config.Layers)) / all.Length)) / _windows));
        }
    }

    private unsafe void Score(ReadOnlyMemory<int> window, int start, int rows, ScoredPositions[] scores, int first, CancellationToken cancellation)
    {
        int unscored = Math.Clamp(_skip - start, 0, rows), scored = rows - unscored, offset = start + unscored;
        Batch batch = Piece(window.Span, start, rows, unscored);
        cancellation.ThrowIfCancellationRequested();

        // Each model's logits lie in its own executor and stay while the others run.
        fixed (float* expected = _reference.Forward(batch))
        {
            float* reference = expected;
            WorkerPool.Run(scored, row => scores[0].Losses[first + offset - _skip + row] = CrossEntropy.Loss(Row(reference, row), window.Span[offset + row + 1]));
            for (int i = 0; i < _others.Count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                ScoredPositions mine = scores[i + 1];
                fixed (float* found = _others[i].Forward(batch))
                {
                    float* other = found;
                    WorkerPool.Run(scored, row =>
                    {
                        int place = first + offset - _skip + row;
                        mine.Losses[place] = CrossEntropy.Loss(Row(other, row), window.Span[offset + row + 1]);
                        mine.Divergences[place] = Divergence.Of(Row(reference, row), Row(other, row));
                        mine.SameTop[place] = Divergence.SameTop(Row(reference, row), Row(other, row));
                    });
                }
            }
        }
    }

    private unsafe ReadOnlySpan<float> Row(float* logits, int row) => new(logits + ((long)row * _vocabulary), _vocabulary);
}
