using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Threading;

namespace Portable.Quantization.FlexQ;

/// <summary>
/// A model whose blocks can be exchanged one by one, on fixed windows: hidden states that enter each block of the reference
/// are kept, so that a variant of one block costs only that block and the ones behind it.
/// </summary>
internal sealed class VariantModel : IDisposable
{
    private readonly ModelConfig _config;
    private readonly CpuExecutor _executor = new();
    private readonly Workspace _workspace;
    private readonly DeviceNorm _finalNorm;
    private readonly DeviceTable _head;
    private readonly CpuActivation _x;
    private readonly int _keyValueBits;
    private readonly Batch[] _batches;
    private readonly float[][] _embedded;

    /// <summary>Loads what is not in blocks, and embeds the windows.</summary>
    /// <param name="source">The model.</param>
    /// <param name="windows">Windows of equal length.</param>
    /// <param name="keyValueBits">KV cache of the blocks.</param>
    public VariantModel(IModelSource source, IReadOnlyList<int[]> windows, int keyValueBits)
    {
        _config = source.Config;
        int length = windows[0].Length, perBatch = Math.Max(1, _executor.MaximumRows / length);
        _workspace = new Workspace(_executor, _config.HiddenSize, perBatch, length);
        _x = (CpuActivation)_workspace.Hidden;
        _keyValueBits = keyValueBits;
        _finalNorm = _executor.Upload(source.LoadFinalNorm(), _config.NormEpsilon);
        DeviceTable embedding = _executor.Upload(source.LoadEmbedding());
        DeviceTable? positions = source.LoadPositions() is { } table ? _executor.Upload(new TableWeights(table)) : null;
        _head = source.LoadHead() is { } head ? _executor.Upload(head) : embedding;
        _batches = [.. windows.Chunk(perBatch).Select(Join)];
        _embedded = [.. _batches.Select(batch =>
        {
            _executor.Begin(batch);
            _executor.Embed(embedding, _config.EmbeddingScale, positions, _config.LearnedPositionOffset ?? 0, _x);
            float[] x = _x.Rows(batch.Rows).ToArray();
            _executor.End();
            return x;
        })];
    }

    /// <summary>Batches of windows.</summary>
    public int Batches => _batches.Length;

    /// <summary>Tokens of all batches.</summary>
    public int Tokens => _batches.Sum(b => b.Rows);

    /// <summary>Hidden states that enter the first block.</summary>
    public float[] Embedded(int batch) => _embedded[batch];

    /// <summary>Makes a block runnable.</summary>
    public TransformerBlock Load(BlockWeights weights) => new(_workspace, weights, _keyValueBits);

    /// <summary>Runs a block.</summary>
    /// <returns>New hidden states.</returns>
    public float[] Run(TransformerBlock block, int batch, float[] hidden)
    {
        _executor.Begin(_batches[batch]);
        hidden.CopyTo(_x.Values, 0);
        block.Forward(_executor, _x);
        float[] result = _x.Rows(_batches[batch].Rows).ToArray();
        _executor.End();
        return result;
    }

    /// <summary>Logits of every token; valid until the next call.</summary>
    public ReadOnlySpan<float> Logits(int batch, float[] hidden)
    {
        _executor.Begin(_batches[batch]);
        hidden.CopyTo(_x.Values, 0);
        _executor.Logits(_x, _finalNorm, _head, _config.LogitSoftcap);
        return _executor.End();
    }

    /// <summary>Σ over tokens of KL(reference ‖ variant), nats.</summary>
    public unsafe double Divergence(ReadOnlySpan<float> reference, ReadOnlySpan<float> variant)
    {
        int vocabulary = _config.VocabularySize, tokens = reference.Length / vocabulary;
        double[] each = new double[tokens];
        fixed (float* r = reference, v = variant)
        {
            float* a = r, b = v;
            WorkerPool.Run(tokens, t => each[t] = NextTokenDivergence.Of(new(a + (long)t * vocabulary, vocabulary), new(b + (long)t * vocabulary, vocabulary)));
        }

        return each.Sum();
    }

    /// <inheritdoc/>
    public void Dispose() => _executor.Dispose();

    private static Batch Join(int[][] windows)
    {
        int length = windows[0].Length, rows = windows.Length * length;
        int[] all = [.. Enumerable.Range(0, rows)];
        return new Batch([.. windows.SelectMany(w => w)], [.. all.Select(i => i / length)], [.. all.Select(i => i % length)], all);
    }
}
