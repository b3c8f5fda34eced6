using System.Diagnostics;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Benchmarking;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;

namespace Portable.Benchmarking;

/// <summary>
/// Passes every operation on to another executor and adds up the time of each kind, and the work that it cannot do without. On an
/// executor that records operations and runs them at the end, all of the time shows there.
/// </summary>
/// <param name="inner">Does the work; owned by this executor.</param>
internal sealed class ProfilingExecutor(Executor inner) : Executor
{
    private readonly Dictionary<string, long> _ticks = [];
    private readonly Dictionary<string, OperationWork> _work = [];
    private readonly Dictionary<DeviceLinear, IReadOnlyList<LinearWeights>> _linears = [];
    private readonly Dictionary<DeviceTable, TableWeights> _tables = [];
    private readonly Dictionary<DeviceCache, int> _cacheBits = [];
    private Batch? _batch;

    /// <inheritdoc/>
    public override string Name => inner.Name;

    /// <inheritdoc/>
    public override int MaximumRows => inner.MaximumRows;

    /// <summary>Milliseconds of each operation since the last <see cref="Reset"/>.</summary>
    public IReadOnlyDictionary<string, double> Milliseconds() => _ticks.ToDictionary(p => p.Key, p => Stopwatch.GetElapsedTime(0, p.Value).TotalMilliseconds);

    /// <summary>The least milliseconds that each operation since the last <see cref="Reset"/> takes of a machine.</summary>
    public IReadOnlyDictionary<string, double> Floors(MachineRates rates) => _ticks.Keys.ToDictionary(k => k, k => _work.GetValueOrDefault(k).Milliseconds(rates));

    /// <summary>Forgets what was measured.</summary>
    public void Reset()
    {
        _ticks.Clear();
        _work.Clear();
    }

    /// <inheritdoc/>
    public override void Reserve(IModelSource source, int sequences, int context, PageTable? table) => inner.Reserve(source, sequences, context, table);

    /// <inheritdoc/>
    public override DeviceTable Upload(TableWeights table)
    {
        DeviceTable uploaded = inner.Upload(table);
        _tables.Add(uploaded, table);
        return uploaded;
    }

    /// <inheritdoc/>
    public override DeviceNorm Upload(NormWeights norm, float epsilon) => inner.Upload(norm, epsilon);

    /// <inheritdoc/>
    public override DeviceLinear Upload(IReadOnlyList<LinearWeights> parts)
    {
        DeviceLinear uploaded = inner.Upload(parts);
        _linears.Add(uploaded, parts);
        return uploaded;
    }

    /// <inheritdoc/>
    public override DeviceRotary CreateRotary(RotaryTable table) => inner.CreateRotary(table);

    /// <inheritdoc/>
    public override DeviceCache CreateCache(CacheShape shape)
    {
        DeviceCache cache = inner.CreateCache(shape);
        _cacheBits.Add(cache, shape.Bits);
        return cache;
    }

    /// <inheritdoc/>
    public override DeviceActivation CreateActivation(int columns) => inner.CreateActivation(columns);

    /// <inheritdoc/>
    public override DeviceActivation[][] CreateActivations(params int[][] phases) => inner.CreateActivations(phases);

    /// <inheritdoc/>
    public override DeviceInput CreateInput(InputSpec spec) => inner.CreateInput(spec);

    /// <inheritdoc/>
    public override void CopyPage(IReadOnlyList<DeviceCache> caches, int source, int target) => inner.CopyPage(caches, source, target);

    /// <inheritdoc/>
    public override void Begin(Batch batch)
    {
        long start = Stopwatch.GetTimestamp();
        _batch = batch;
        inner.Begin(batch);
        Add("begin", start);
    }

    /// <inheritdoc/>
    public override void Embed(DeviceTable embedding, float scale, DeviceTable? positions, int positionOffset, DeviceActivation x)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Embed(embedding, scale, positions, positionOffset, x);
        Add("embed", start);
    }

    /// <inheritdoc/>
    public override void Normalize(DeviceActivation x, DeviceNorm norm, ReadOnlySpan<DeviceInput> inputs)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Normalize(x, norm, inputs);
        Add("normalize and quantize", start);
    }

    /// <inheritdoc/>
    public override void Prepare(DeviceActivation x, ReadOnlySpan<DeviceInput> inputs)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Prepare(x, inputs);
        Add("quantize", start);
    }

    /// <inheritdoc/>
    public override void Linear(DeviceInput input, DeviceLinear linear, DeviceActivation y, int column)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Linear(input, linear, y, column);
        Add("linear", start, OperationWork.Linear(_linears[linear], _batch!.Rows));
    }

    /// <inheritdoc/>
    public override void LinearResidual(DeviceInput input, DeviceLinear linear, DeviceActivation x)
    {
        long start = Stopwatch.GetTimestamp();
        inner.LinearResidual(input, linear, x);
        Add("linear and residual", start, OperationWork.Linear(_linears[linear], _batch!.Rows));
    }

    /// <inheritdoc/>
    public override void Attention(DeviceActivation qkv, AttentionLayout layout, DeviceHeads parts, DeviceCache cache, DeviceActivation output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Attention(qkv, layout, parts, cache, output);
        Add("attention", start, OperationWork.Attention(layout, _cacheBits[cache], _batch!));
    }

    /// <inheritdoc/>
    public override void AddNormalized(DeviceActivation y, DeviceNorm norm, DeviceActivation x)
    {
        long start = Stopwatch.GetTimestamp();
        inner.AddNormalized(y, norm, x);
        Add("normalize and residual", start);
    }

    /// <inheritdoc/>
    public override void Gate(DeviceActivation gateUp, ActivationKind kind, ReadOnlySpan<DeviceInput> inputs)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Gate(gateUp, kind, inputs);
        Add("gate and quantize", start);
    }

    /// <inheritdoc/>
    public override void Activate(DeviceActivation x, ActivationKind kind, ReadOnlySpan<DeviceInput> inputs)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Activate(x, kind, inputs);
        Add("activation and quantize", start);
    }

    /// <inheritdoc/>
    public override void Logits(DeviceActivation x, DeviceNorm norm, DeviceTable head, float softcap)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Logits(x, norm, head, softcap);
        Add("head", start, OperationWork.Head(_tables[head], _batch!.LogitRows.Length));
    }

    /// <inheritdoc/>
    public override void Write(DeviceActivation x, ReadOnlySpan<float> values) => inner.Write(x, values);

    /// <inheritdoc/>
    public override void Read(DeviceActivation x, Span<float> values) => inner.Read(x, values);

    /// <inheritdoc/>
    public override ReadOnlySpan<float> End()
    {
        long start = Stopwatch.GetTimestamp();
        ReadOnlySpan<float> logits = inner.End();
        Add("end", start);
        return logits;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => inner.Dispose();

    private void Add(string operation, long start, OperationWork work = default)
    {
        _ticks[operation] = _ticks.GetValueOrDefault(operation) + (Stopwatch.GetTimestamp() - start);
        _work[operation] = _work.GetValueOrDefault(operation) + work;
    }
}
