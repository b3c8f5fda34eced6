using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Matmul;
using Portable.Reference.Operations;
using Portable.Reference.Threading;

namespace Portable.Execution;

/// <summary>The managed CPU: every operation runs at once through <c>Portable.Reference</c>, on threads of this executor's own.</summary>
/// <param name="threads">Threads that take part, the caller included; 0 = those that the calling thread uses (see <see cref="WorkerPool"/>).</param>
internal sealed class CpuExecutor(int threads = 0) : Executor
{
    /// <summary>The most rows of one batch, of every executor of the CPU.</summary>
    public const int Rows = 512;

    private readonly WorkerPool _pool = new(threads);
    private readonly Dictionary<(int Columns, int Use), CpuActivation> _scratch = [];
    private Batch? _batch;
    private float[] _logits = [];
    private int _logitCount;

    /// <inheritdoc/>
    public override string Name => "cpu";

    /// <inheritdoc/>
    public override int MaximumRows => Rows;

    private Batch Current => _batch ?? throw new InvalidOperationException("Begin has not been called.");

    /// <inheritdoc/>
    public override DeviceTable Upload(TableWeights table) => new CpuTable(table, MaximumRows);

    /// <inheritdoc/>
    public override DeviceNorm Upload(NormWeights norm, float epsilon) => new CpuNorm(norm, epsilon);

    /// <inheritdoc/>
    public override DeviceLinear Upload(IReadOnlyList<LinearWeights> parts) => new CpuLinear(parts);

    /// <inheritdoc/>
    public override DeviceRotary CreateRotary(RotaryTable table) => new CpuRotary(table);

    /// <inheritdoc/>
    public override DeviceCache CreateCache(CacheShape shape) =>
        new CpuCache(new KeyValueCache(shape.Sequences, shape.KeyValueHeads, shape.HeadSize, shape.Capacity, shape.Bits, shape.Wraps, shape.Table));

    /// <inheritdoc/>
    public override DeviceActivation CreateActivation(int columns) => new CpuActivation(MaximumRows, columns);

    /// <inheritdoc/>
    public override DeviceInput CreateInput(InputSpec spec) => new CpuInput(spec, MaximumRows);

    /// <inheritdoc/>
    public override void CopyPage(IReadOnlyList<DeviceCache> caches, int source, int target)
    {
        using WorkerPool.Scope scope = _pool.Use();
        WorkerPool.Run(caches.Count, i => ((CpuCache)caches[i]).Cache.CopyPage(source, target));
    }

    /// <inheritdoc/>
    public override void Begin(Batch batch)
    {
        _batch = batch;
        _logitCount = 0;
    }

    /// <inheritdoc/>
    public override void Embed(DeviceTable embedding, float scale, DeviceTable? positions, int positionOffset, DeviceActivation x)
    {
        CpuTable table = (CpuTable)embedding;
        Span<float> rows = ((CpuActivation)x).Rows(Current.Rows);
        FloatTable? learned = (positions as CpuTable)?.Float;
        for (int r = 0; r < Current.Rows; r++)
        {
            Span<float> row = rows.Slice(r * x.Columns, x.Columns);
            if (table.Quantized is { } codes)
            {
                Embedding.Lookup(codes, Current.Tokens[r], row);
            }
            else
            {
                (int start, FloatTable rowsOfPiece) = table.Float!.PieceOf(Current.Tokens[r]);
                Embedding.Lookup(rowsOfPiece.Data.Span, rowsOfPiece.Type, x.Columns, [Current.Tokens[r] - start], row);
            }

            if (scale != 1)
            {
                Embedding.Scale(row, scale);
            }

            if (learned is not null)
            {
                int position = Current.Positions[r] + positionOffset;
                (int first, FloatTable piece) = learned.PieceOf(position);
                Embedding.Add(piece.Data.Span, learned.Type, x.Columns, [position - first], row);
            }
        }
    }

    /// <inheritdoc/>
    public override void Normalize(DeviceActivation x, DeviceNorm norm, ReadOnlySpan<DeviceInput> inputs)
    {
        using WorkerPool.Scope scope = _pool.Use();
        CpuActivation normalized = Scratch(x.Columns, 0);
        Normalize(((CpuActivation)x).Rows(Current.Rows), Current.Rows, (CpuNorm)norm, normalized.Rows(Current.Rows));
        Prepare(normalized, inputs);
    }

    /// <inheritdoc/>
    public override void Prepare(DeviceActivation x, ReadOnlySpan<DeviceInput> inputs)
    {
        using WorkerPool.Scope scope = _pool.Use();
        int rows = Current.Rows;
        ReadOnlySpan<float> source = ((CpuActivation)x).Rows(rows);
        foreach (DeviceInput deviceInput in inputs)
        {
            CpuInput input = (CpuInput)deviceInput;
            if (input.Float is { } copy)
            {
                source.CopyTo(copy.Rows(rows));
            }
            else
            {
                ActivationQuantization.Quantize(source, rows, x.Columns, input.Spec.Quantizer!, input.Reserve(rows));
            }
        }
    }

    /// <inheritdoc/>
    public override void Linear(DeviceInput input, DeviceLinear linear, DeviceActivation y, int column)
    {
        using WorkerPool.Scope scope = _pool.Use();
        CpuInput from = (CpuInput)input;
        var layers = (CpuLinear)linear;
        int rows = Current.Rows;
        Span<float> values = ((CpuActivation)y).Rows(rows);
        if (layers.Quantized is { } quantized)
        {
            BitMatmul.Multiply(from.Quantized!, quantized, values[column..], y.Columns);
            return;
        }

        foreach (LinearWeights part in layers.Parts)
        {
            FloatLinear.Multiply(from.Float!.Rows(rows), rows, part, values[column..], y.Columns);
            column += part.OutputFeatures;
        }
    }

    /// <inheritdoc/>
    public override void LinearResidual(DeviceInput input, DeviceLinear linear, DeviceActivation x)
    {
        using WorkerPool.Scope scope = _pool.Use();
        CpuActivation y = Scratch(x.Columns, 1);
        Linear(input, linear, y, 0);
        Residual.AddRows(((CpuActivation)x).Rows(Current.Rows), y.Rows(Current.Rows), Current.Rows, x.Columns);
    }

    /// <inheritdoc/>
    public override void Attention(DeviceActivation qkv, AttentionLayout layout, DeviceHeads parts, DeviceCache cache, DeviceActivation output)
    {
        using WorkerPool.Scope scope = _pool.Use();
        KeyValueCache store = ((CpuCache)cache).Cache;
        float[] values = ((CpuActivation)qkv).Reserve(Current.Rows);
        int rows = Current.Rows, stride = qkv.Columns;
        Batch batch = Current;
        NewTokens tokens = new(values, stride, layout, (parts.Rotary as CpuRotary)?.Table, store, batch);
        bool alone = AreAlone(batch.Sequences);
        if (parts.QueryNorm is CpuNorm queryNorm && parts.KeyNorm is CpuNorm keyNorm)
        {
            WorkerPool.Run(rows, row =>
            {
                Span<float> all = values.AsSpan(row * stride, stride);
                QueryKeyNormalization.Apply(all[..layout.QueryWidth], queryNorm.Weights.Gain, queryNorm.Epsilon);
                QueryKeyNormalization.Apply(all.Slice(layout.QueryWidth, layout.KeyValueWidth), keyNorm.Weights.Gain, keyNorm.Epsilon);
            });
        }

        if (!alone)
        {
            WorkerPool.Run(rows, row =>
            {
                for (int head = 0; head < layout.KeyValueHeads; head++)
                {
                    tokens.Turn(row, head, tokens.Queries(row, head));
                    tokens.Append(row, head);
                }
            });
        }

        Reference.Operations.Attention.Compute(
            values.AsSpan(0, rows * stride), store, batch.Sequences, batch.Positions, layout, ((CpuActivation)output).Rows(rows), stride, alone ? tokens : null);
    }

    /// <inheritdoc/>
    public override void AddNormalized(DeviceActivation y, DeviceNorm norm, DeviceActivation x)
    {
        using WorkerPool.Scope scope = _pool.Use();
        CpuActivation normalized = Scratch(x.Columns, 0);
        Normalize(((CpuActivation)y).Rows(Current.Rows), Current.Rows, (CpuNorm)norm, normalized.Rows(Current.Rows));
        Residual.AddRows(((CpuActivation)x).Rows(Current.Rows), normalized.Rows(Current.Rows), Current.Rows, x.Columns);
    }

    /// <inheritdoc/>
    public override void Gate(DeviceActivation gateUp, ActivationKind kind, ReadOnlySpan<DeviceInput> inputs)
    {
        using WorkerPool.Scope scope = _pool.Use();
        int width = gateUp.Columns / 2;
        CpuActivation gated = Scratch(width, 3);
        Activation.GateRows(kind, ((CpuActivation)gateUp).Rows(Current.Rows), Current.Rows, width, gated.Rows(Current.Rows));
        Prepare(gated, inputs);
    }

    /// <inheritdoc/>
    public override void Activate(DeviceActivation x, ActivationKind kind, ReadOnlySpan<DeviceInput> inputs)
    {
        using WorkerPool.Scope scope = _pool.Use();
        CpuActivation activated = Scratch(x.Columns, 3);
        Activation.Apply(kind, ((CpuActivation)x).Rows(Current.Rows), activated.Rows(Current.Rows));
        Prepare(activated, inputs);
    }

    /// <inheritdoc/>
    public override void Logits(DeviceActivation x, DeviceNorm norm, DeviceTable head, float softcap)
    {
        using WorkerPool.Scope scope = _pool.Use();
        int[] wanted = Current.LogitRows;
        CpuActivation hidden = Scratch(x.Columns, 0);
        Span<float> all = ((CpuActivation)x).Rows(Current.Rows), picked = Scratch(x.Columns, 1).Rows(wanted.Length);
        for (int i = 0; i < wanted.Length; i++)
        {
            all.Slice(wanted[i] * x.Columns, x.Columns).CopyTo(picked[(i * x.Columns)..]);
        }

        Normalize(picked, wanted.Length, (CpuNorm)norm, hidden.Rows(wanted.Length));
        _logitCount = checked(wanted.Length * head.Rows);
        if (_logits.Length < _logitCount)
        {
            _logits = GC.AllocateUninitializedArray<float>(_logitCount, pinned: true);
        }

        CpuTable table = (CpuTable)head;
        if (table.Quantized is { } codes && wanted.Length > 0)
        {
            ActivationQuantization.Quantize(hidden.Rows(wanted.Length), wanted.Length, x.Columns, codes.Input, table.Input(wanted.Length));
            BitMatmul.Multiply(table.Input(wanted.Length), codes, _logits.AsSpan(0, _logitCount), head.Rows);
        }

        foreach ((int first, FloatTable piece) in table.Float?.Pieces ?? [])
        {
            Head.Logits(hidden.Rows(wanted.Length), wanted.Length, x.Columns, piece.Data.Span, piece.Type, piece.Rows, _logits.AsSpan(first, _logitCount - first), head.Rows);
        }

        if (softcap != 0)
        {
            LogitSoftcap.Apply(_logits.AsSpan(0, _logitCount), softcap);
        }
    }

    /// <inheritdoc/>
    public override void Write(DeviceActivation x, ReadOnlySpan<float> values) => values.CopyTo(((CpuActivation)x).Rows(values.Length / x.Columns));

    /// <inheritdoc/>
    public override void Read(DeviceActivation x, Span<float> values) => ((CpuActivation)x).Rows(values.Length / x.Columns).CopyTo(values);

    /// <inheritdoc/>
    public override ReadOnlySpan<float> End()
    {
        _batch = null;
        ReadOnlySpan<float> logits = _logits.AsSpan(0, _logitCount);
        FiniteCheck.Logits(logits);
        return logits;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _pool.Dispose();
        }
    }

    private static void Normalize(ReadOnlySpan<float> x, int rows, CpuNorm norm, Span<float> y)
    {
        int columns = norm.Weights.Gain.Length;
        if (norm.Weights.Bias is { } bias)
        {
            Normalization.LayerNorm(x, rows, columns, norm.Weights.Gain, bias, norm.Epsilon, y);
        }
        else
        {
            Normalization.RmsNorm(x, rows, columns, norm.Weights.Gain, norm.Epsilon, y);
        }
    }

    // Whether each row is of a sequence of its own, in ascending order as decoding has them: nobody waits for another's keys then.
    private static bool AreAlone(int[] sequences)
    {
        for (int row = 1; row < sequences.Length; row++)
        {
            if (sequences[row] <= sequences[row - 1])
            {
                return false;
            }
        }

        return true;
    }

    private CpuActivation Scratch(int columns, int use)
    {
        if (!_scratch.TryGetValue((columns, use), out CpuActivation? scratch))
        {
            scratch = new CpuActivation(MaximumRows, columns);
            _scratch.Add((columns, use), scratch);
        }

        return scratch;
    }
}
