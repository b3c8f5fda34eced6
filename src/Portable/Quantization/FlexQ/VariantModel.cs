using Portable.Calibration;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Threading;

namespace Portable.Quantization.FlexQ;

/// <summary>
/// A model whose blocks can be exchanged one by one, on fixed windows; what is not in blocks is there for all variants.
/// </summary>
internal sealed class VariantModel : IDisposable
{
    private readonly ModelConfig _config;
    private readonly ICalibrationDevice? _device;
    private readonly BlockStage _stage;
    private readonly DeviceNorm _finalNorm;
    private readonly DeviceTable _head;
    private readonly int _keyValueBits, _perBatch, _length;
    private readonly Batch[] _batches;
    private readonly float[][] _embedded;

    /// <summary>Loads what is not in blocks, and embeds the windows.</summary>
    /// <param name="source">The model.</param>
    /// <param name="windows">Windows of equal length.</param>
    /// <param name="keyValueBits">KV cache of the blocks.</param>
    /// <param name="device">Where blocks and the head run; null = on the CPU.</param>
    public VariantModel(IModelSource source, IReadOnlyList<int[]> windows, int keyValueBits, ICalibrationDevice? device)
    {
        (_config, _device, _keyValueBits, _length) = (source.Config, device, keyValueBits, windows[0].Length);

        // Batches are those of the CPU everywhere: divergences are summed batch by batch.
        _perBatch = Math.Max(1, CpuExecutor.Rows / _length);
        _stage = Open();
        Executor executor = _stage.Executor;
        _finalNorm = executor.Upload(source.LoadFinalNorm(), _config.NormEpsilon);
        DeviceTable embedding = executor.Upload(source.LoadEmbedding());
        DeviceTable? positions = source.LoadPositions() is { } table ? executor.Upload(new TableWeights(table)) : null;
        _head = source.LoadHead() is { } head ? executor.Upload(head) : embedding;
        _batches = [.. windows.Chunk(_perBatch).Select(Join)];
        _embedded = [.. Enumerable.Range(0, _batches.Length).Select(b => Pass(_stage, b, null, () => executor.Embed(embedding, _config.EmbeddingScale, positions, _config.LearnedPositionOffset ?? 0, _stage.X)))];
    }

    /// <summary>Batches of windows.</summary>
    public int Batches => _batches.Length;

    /// <summary>Tokens of all batches.</summary>
    public int Tokens => _batches.Sum(b => b.Rows);

    /// <summary>Hidden states that enter the first block.</summary>
    public float[] Embedded(int batch) => _embedded[batch];

    /// <summary>Room for variants of one block whose layers are partly the same.</summary>
    /// <param name="windows">Windows of a pass; 0 = those of a batch.</param>
    public VariantFamily OpenFamily(int windows = 0) => new(Open(windows), _keyValueBits);

    /// <summary>Room for the hidden states of many variants.</summary>
    public VariantStack OpenStack() => new(_config, _length, _stage.Executor.MaximumRows, _device);

    /// <summary>Runs blocks one after the other.</summary>
    /// <param name="blocks">Neighbours, all of the reference or one alone.</param>
    /// <param name="batch">Index of the batch.</param>
    /// <param name="hidden">Hidden states that enter them.</param>
    /// <returns>New hidden states.</returns>
    private float[] Run(ReadOnlyMemory<VariantBlock> blocks, int batch, float[] hidden)
    {
        BlockStage stage = blocks.Span[0].Stage;
        return Pass(stage, batch, hidden, () =>
        {
            foreach (VariantBlock block in blocks.Span)
            {
                block.Block.Forward(stage.Executor, stage.X);
            }
        });
    }

    /// <summary>Runs all batches through blocks.</summary>
    /// <param name="blocks">Neighbours, all of the reference or one alone.</param>
    /// <param name="from">Hidden states that enter them, of each batch.</param>
    /// <param name="to">Receives new ones; may be <paramref name="from"/>.</param>
    /// <param name="cancellation">Stops between batches.</param>
    public void Pass(ReadOnlyMemory<VariantBlock> blocks, float[][] from, float[][] to, CancellationToken cancellation)
    {
        for (int batch = 0; batch < from.Length; batch++)
        {
            cancellation.ThrowIfCancellationRequested();
            to[batch] = Run(blocks, batch, from[batch]);
        }
    }

    /// <summary>Logits of every token of all batches.</summary>
    public float[][] Logits(float[][] hidden) => [.. hidden.Select((x, batch) => Logits(batch, x).ToArray())];

    /// <summary>Hidden states of a variant, batch by batch.</summary>
    /// <param name="stack">Holds them.</param>
    /// <param name="variant">Which of it, each being all windows.</param>
    public float[][] Read(VariantStack stack, int variant)
    {
        int first = variant * Tokens / _length;
        float[][] hidden = new float[Batches][];
        for (int batch = 0; batch < Batches; first += _batches[batch].Rows / _length, batch++)
        {
            hidden[batch] = new float[_batches[batch].Rows * _config.HiddenSize];
            stack.Read(first, hidden[batch]);
        }

        return hidden;
    }

    /// <summary>Mean divergence per token, nats, as it is stored.</summary>
    /// <param name="reference">Logits of each batch.</param>
    /// <param name="hidden">Hidden states of the variant behind the last block.</param>
    public double MeanDivergence(float[][] reference, float[][] hidden)
    {
        double sum = 0;
        for (int batch = 0; batch < Batches; batch++)
        {
            sum += Divergence(reference[batch], Logits(batch, hidden[batch]));
        }

        return SensitivityTable.Rounded(Math.Max(0, sum / Tokens));
    }

    /// <summary>Logits of every token; valid until the next call.</summary>
    private ReadOnlySpan<float> Logits(int batch, float[] hidden)
    {
        _stage.Executor.Begin(_batches[batch]);
        _stage.Executor.Write(_stage.X, hidden);
        _stage.Executor.Logits(_stage.X, _finalNorm, _head, _config.LogitSoftcap);
        return _stage.Executor.End();
    }

    /// <summary>Σ over tokens of KL(reference ‖ variant), nats.</summary>
    private unsafe double Divergence(ReadOnlySpan<float> reference, ReadOnlySpan<float> variant)
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
    public void Dispose() => _stage.Dispose();

    private BlockStage Open(int windows = 0) => new(_device?.CreateExecutor() ?? new CpuExecutor(), _config.HiddenSize, Math.Max(windows, _perBatch), _length);

    private float[] Pass(BlockStage stage, int batch, float[]? hidden, Action body)
    {
        Batch rows = _batches[batch];
        stage.Executor.Begin(new Batch(rows.Tokens, rows.Sequences, rows.Positions, []));
        if (hidden is not null)
        {
            stage.Executor.Write(stage.X, hidden);
        }

        body();
        stage.Executor.End();
        float[] result = new float[rows.Rows * _config.HiddenSize];
        stage.Executor.Read(stage.X, result);
        return result;
    }

    private static Batch Join(int[][] windows)
    {
        int length = windows[0].Length, rows = windows.Length * length;
        int[] all = [.. Enumerable.Range(0, rows)];
        return new Batch([.. windows.SelectMany(w => w)], [.. all.Select(i => i / length)], [.. all.Select(i => i % length)], all);
    }
}

/// <summary>A block on the executor that it runs on.</summary>
/// <param name="Stage">The executor.</param>
/// <param name="Block">The block.</param>
internal sealed record VariantBlock(BlockStage Stage, TransformerBlock Block);
