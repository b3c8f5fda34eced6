using System.Diagnostics;
using Portable.Execution;
using Portable.Inference;
using Portable.Reference.Threading;
using Portable.Tokenizers;

namespace Portable.Evaluation;

/// <summary>Perplexity of a model on a text.</summary>
/// <param name="MeanNll">Mean negative log likelihood per prediction, nats.</param>
/// <param name="Predictions">Predictions scored.</param>
/// <param name="Windows">Windows scored.</param>
/// <param name="Context">Tokens per window.</param>
/// <param name="Seconds">Wall time of the forward passes and the scoring.</param>
public sealed record PerplexityResult(double MeanNll, long Predictions, int Windows, int Context, double Seconds)
{
    /// <summary>exp of the mean negative log likelihood.</summary>
    public double Perplexity => Math.Exp(MeanNll);
}

/// <summary>
/// Measures perplexity over non-overlapping windows, each scored on its own (context − 1 predictions); BOS stands once at
/// the start of the text and a partial last window is dropped (the GPTQ convention).
/// </summary>
internal static class Perplexity
{
    /// <summary>Measures.</summary>
    /// <param name="model">A model with at least <paramref name="context"/> positions.</param>
    /// <param name="tokens">The text's tokens, BOS first where the model has one.</param>
    /// <param name="context">Tokens per window, at least 2.</param>
    /// <param name="windows">The first so many windows; 0 = all.</param>
    /// <param name="progress">Windows done, windows to do and the mean NLL so far.</param>
    /// <param name="cancellation">Stops between windows.</param>
    /// <param name="passes">Lets one pass run at a time, where others may close the model; null = nobody does.</param>
    /// <exception cref="ArgumentException">The text has no whole window, or the context is out of range.</exception>
    public static PerplexityResult Measure(Transformer model, int[] tokens, int context, int windows = 0, IProgress<(int Done, int Total, double MeanNll)>? progress = null, CancellationToken cancellation = default, PassGate? passes = null)
    {
        if (context < 2 || context > model.Context)
        {
            throw new ArgumentException($"The context must be 2 to {model.Context} tokens, not {context}.", nameof(context));
        }

        int total = tokens.Length / context;
        if (total == 0)
        {
            throw new ArgumentException($"The text has {TokenCount.Text(tokens.Length)}: not one window of {context}.", "text");
        }

        total = windows > 0 ? Math.Min(windows, total) : total;
        Stopwatch clock = Stopwatch.StartNew();
        double sum = 0;
        double[] losses = new double[context - 1];
        for (int window = 0; window < total; window++)
        {
            cancellation.ThrowIfCancellationRequested();
            Score(model, tokens.AsMemory(window * context, context), losses, passes);
            foreach (double loss in losses)
            {
                sum += loss;
            }

            progress?.Report((window + 1, total, sum / ((window + 1.0) * (context - 1))));
        }

        long predictions = (long)total * (context - 1);
        return new PerplexityResult(sum / predictions, predictions, total, context, clock.Elapsed.TotalSeconds);
    }

    /// <summary>Negative log likelihood of every token of a sequence but the first.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tokens">The sequence.</param>
    /// <param name="losses">tokens − 1 values, nats.</param>
    /// <param name="passes">Lets one pass run at a time; null = nobody else runs the model.</param>
    public static void Score(Transformer model, ReadOnlyMemory<int> tokens, double[] losses, PassGate? passes = null)
    {
        int vocabulary = model.Config.VocabularySize;
        for (int start = 0; start < tokens.Length - 1; start += model.MaximumLogitRows)
        {
            // The last token predicts nothing that is scored; it is not run.
            int rows = Math.Min(model.MaximumLogitRows, tokens.Length - 1 - start), first = start;
            using PassGate.Pass pass = passes is null ? default : passes.Enter();
            ReadOnlySpan<float> logits = model.Forward(Batch.Consecutive(tokens.Span.Slice(start, rows), start, allLogits: true));
            unsafe
            {
                fixed (float* p = logits)
                {
                    float* all = p;
                    WorkerPool.Run(rows, row => losses[first + row] = CrossEntropy.Loss(new ReadOnlySpan<float>(all + (long)row * vocabulary, vocabulary), tokens.Span[first + row + 1]));
                }
            }
        }
    }
}
