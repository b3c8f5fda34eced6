using Portable.Execution;
using Portable.Models;
using Portable.Reference.Operations;

namespace Portable.Inference;

/// <summary>
/// A decoder-only transformer on an executor: any layout of blocks, float or quantized, written once against the
/// execution seam.
/// </summary>
internal sealed class Transformer : IDisposable
{
    private readonly Executor _executor;
    private readonly DeviceTable _embedding;
    private readonly DeviceTable? _positions;
    private readonly DeviceTable _head;
    private readonly DeviceNorm _finalNorm;
    private readonly TransformerBlock[] _blocks;
    private readonly DeviceActivation _x;

    /// <summary>Loads a model block by block onto an executor.</summary>
    /// <param name="source">The weights; not needed afterwards.</param>
    /// <param name="executor">The device; owned by the model from now on.</param>
    /// <param name="sequences">Cache slots.</param>
    /// <param name="context">Positions per sequence; 0 = the model's maximum.</param>
    /// <param name="progress">Blocks loaded so far.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <param name="pages">Pages of 64 positions that sequences share, at least those of one; 0 = each sequence has its own. Without effect where blocks see no more than a window (<see cref="Forgets"/>).</param>
    public Transformer(IModelSource source, Executor executor, int sequences = 1, int context = 0, IProgress<int>? progress = null, CancellationToken cancellation = default, int pages = 0)
    {
        Config = source.Config;
        Context = context == 0 ? Config.MaximumPositions : Math.Min(context, Config.MaximumPositions);
        Sequences = sequences;
        _executor = executor;
        try
        {
            Pages = TableOf(source, sequences, Context, executor.MaximumRows, pages);
            executor.Reserve(source, sequences, Context, Pages);
            _embedding = executor.Upload(source.LoadEmbedding());
            _positions = source.LoadPositions() is { } positions ? executor.Upload(new TableWeights(positions)) : null;
            Workspace workspace = new(executor, Config.HiddenSize, sequences, Context, Pages);
            _x = workspace.Hidden;
            _blocks = new TransformerBlock[Config.Layers];
            for (int i = 0; i < _blocks.Length; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                _blocks[i] = new TransformerBlock(workspace, source.LoadBlock(i), source.KeyValueBits);
                progress?.Report(i + 1);
            }

            Forgets = workspace.Forgets;
            _finalNorm = executor.Upload(source.LoadFinalNorm(), Config.NormEpsilon);
            _head = source.LoadHead() is { } head ? executor.Upload(head) : _embedding;
            if (Pages is null)
            {
                executor.Rehearse(rows => Forward(Batch.Consecutive(new int[Math.Min(rows, Context)], 0, allLogits: false)));
            }
        }
        catch
        {
            executor.Dispose();
            throw;
        }
    }

    /// <summary>Shape of the model.</summary>
    public ModelConfig Config { get; }

    /// <summary>Positions per sequence.</summary>
    public int Context { get; }

    /// <summary>Cache slots.</summary>
    public int Sequences { get; }

    /// <summary>Which pages sequences have; null = each its own. Whoever changes it runs no pass of the sequence meanwhile.</summary>
    public PageTable? Pages { get; }

    /// <summary>Whether caches give up positions behind a window: a sequence can go on then, but not go back.</summary>
    public bool Forgets { get; }

    /// <summary>The device that serves.</summary>
    public string DeviceName => _executor.Name;

    /// <summary>The most rows of one <see cref="Forward"/>.</summary>
    public int MaximumRows => _executor.MaximumRows;

    /// <summary>The most rows of one <see cref="Forward"/> that asks for the logits of all: 512 rows of a vocabulary of 150 k are 300 MB.</summary>
    public int MaximumLogitRows => Math.Min(512, MaximumRows);

    /// <summary>Told during <see cref="Forward"/> how many blocks the batch has been through; a device that runs a whole pass at once tells them all at its start.</summary>
    public Action<int>? BlockDone { get; set; }

    /// <summary>Runs one batch.</summary>
    /// <param name="batch">At most <see cref="MaximumRows"/> rows.</param>
    /// <returns>Logits, [logit row × vocabulary]; valid until the next call.</returns>
    /// <exception cref="ArgumentException">Too many rows, or a token, position or sequence out of range.</exception>
    public ReadOnlySpan<float> Forward(Batch batch)
    {
        Check(batch);
        _executor.Begin(batch);
        _executor.Embed(_embedding, Config.EmbeddingScale, _positions, Config.LearnedPositionOffset ?? 0, _x);
        for (int i = 0; i < _blocks.Length; i++)
        {
            _blocks[i].Forward(_executor, _x);
            BlockDone?.Invoke(i + 1);
        }

        if (batch.LogitRows.Length > 0)
        {
            _executor.Logits(_x, _finalNorm, _head, Config.LogitSoftcap);
        }

        return _executor.End();
    }

    /// <summary>Gives a page the keys and values that another holds; bits do not know where they were computed.</summary>
    /// <param name="source">The page to copy from.</param>
    /// <param name="target">The page to copy to.</param>
    /// <exception cref="InvalidOperationException">There are no <see cref="Pages"/>.</exception>
    public void CopyPage(int source, int target)
    {
        if (Pages is null)
        {
            throw new InvalidOperationException("The model's sequences have caches of their own.");
        }

        _executor.CopyPage([.. _blocks.Select(b => b.Cache)], source, target);
    }

    /// <inheritdoc/>
    public void Dispose() => _executor.Dispose();

    private static PageTable? TableOf(IModelSource source, int sequences, int context, int rows, int pages) =>
        pages == 0 || source.Config.Blocks.Any(b => CacheShape.For(b.Attention, source.KeyValueBits, sequences, context, rows).Wraps) ? null : new PageTable(sequences, context, pages);

    private void Check(Batch batch)
    {
        if (batch.Rows > MaximumRows)
        {
            throw new ArgumentException($"A batch has at most {MaximumRows} rows on {DeviceName}, not {batch.Rows}.");
        }

        for (int i = 0; i < batch.Rows; i++)
        {
            if ((uint)batch.Tokens[i] >= (uint)Config.VocabularySize)
            {
                throw new ArgumentException($"Token id {batch.Tokens[i]} is outside the vocabulary 0…{Config.VocabularySize - 1}.");
            }

            if ((uint)batch.Positions[i] >= (uint)Context)
            {
                throw new ArgumentException($"Position {batch.Positions[i]} is outside the context of {Context} tokens.");
            }

            if ((uint)batch.Sequences[i] >= (uint)Sequences)
            {
                throw new ArgumentException($"Sequence {batch.Sequences[i]} is outside 0…{Sequences - 1}.");
            }
        }
    }
}
