using System.Diagnostics;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;

namespace Portable.Benchmarking;

/// <summary>
/// Passes every operation on to another executor and adds up the time of each kind. On an executor that records operations
/// and runs them at the end, all of the time shows there.
/// </summary>
/// <param name="inner">Does the work; owned by this executor.</param>
internal sealed class ProfilingExecutor(Executor inner) : Executor
{
    private readonly Dictionary<string, long> _ticks = [];

    /// <inheritdoc/>
    public override string Name => inner.Name;

    /// <inheritdoc/>
    public override int MaximumRows => inner.MaximumRows;

    /// <summary>Milliseconds of each operation since the last <see cref="Reset"/>.</summary>
    public IReadOnlyDictionary<string, double> Milliseconds() => _ticks.ToDictionary(p => p.Key, p => Stopwatch.GetElapsedTime(0, p.Value).TotalMilliseconds);

    /// <summary>Forgets what was measured.</summary>
    public void Reset() => _ticks.Clear();

    /// <inheritdoc/>
    public override void Reserve(IModelSource source, int sequences, int context, PageTable? table) => inner.Reserve(source, sequences, context, table);

    /// <inheritdoc/>
    public override DeviceTable Upload(TableWeights table) => inner.Upload(table);

    /// <inheritdoc/>
    public override DeviceNorm Upload(NormWeights norm, float epsilon) => inner.Upload(norm, epsilon);

    /// <inheritdoc/>
    public override DeviceLinear Upload(IReadOnlyList<LinearWeights> parts) => inner.Upload(parts);

    /// <inheritdoc/>
    public override DeviceRotary CreateRotary(RotaryTable table) => inner.CreateRotary(table);

    /// <inheritdoc/>
    public override DeviceCache CreateCache(CacheShape shape) => inner.CreateCache(shape);

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
        Add("linear", start);
    }

    /// <inheritdoc/>
    public override void LinearResidual(DeviceInput input, DeviceLinear linear, DeviceActivation x)
    {
        long start = Stopwatch.GetTimestamp();
        inner.LinearResidual(input, linear, x);
        Add("linear and residual", start);
    }

    /// <inheritdoc/>
    public override void Attention(DeviceActivation qkv, AttentionLayout layout, DeviceHeads parts, DeviceCache cache, DeviceActivation output)
    {
        long start = Stopwatch.GetTimestamp();
        inner.Attention(qkv, layout, parts, cache, output);
        Add("attention", start);
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
        Add("head", start);
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

    private void Add(string operation, long start) =>
        _ticks[operation] = _ticks.GetValueOrDefault(operation) + (Stopwatch.GetTimestamp() - start);
}
