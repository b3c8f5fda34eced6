using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Operations;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Model;

/// <summary>
/// A Vulkan device behind the execution seam: everything lives on the device; a forward pass is recorded once per batch shape
/// and replayed with one submission. Quantized models only; logits equal the CPU's to the bit.
/// </summary>
/// <remarks>
/// Between <see cref="Begin"/> and <see cref="End"/> the calls are only noted. At End they are compared with those that the
/// commands for this batch shape were recorded from; equal calls replay the commands, and a step then allocates nothing.
/// </remarks>
internal sealed class VulkanExecutor : Executor
{
    private const int MostPlans = 256, MostRepeats = 3, ShortPrompt = 512;
    private readonly VulkanContext _gpu;
    private readonly bool _ownsContext;
    private readonly GpuMatmul _matmul;
    private readonly ModelMemory _memory;
    private readonly List<IOperation> _operations = [];
    private readonly Dictionary<PlanKey, Plan> _plans = [], _otherPlans = [];
    private readonly List<IDisposable> _owned = [];
    private readonly List<(VulkanActivation X, float[] Values)> _writes = [];
    private readonly List<(VulkanActivation X, GpuBuffer Rows, long Offset, long Bytes)> _loads = [], _leaves = [];
    private readonly List<(DeviceActivation X, StoredRows Rows, int First, int Count)> _reads = [];
    private Batch? _batch;
    private readonly WorkEstimate _estimate;
    private int _noted, _vocabulary;
    private bool _recut, _rehearses;
    private TimeSpan[] _waits = [];

    /// <summary>Serves models on an opened device.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="check">What its self-check found.</param>
    /// <param name="ownsContext">Whether disposing the executor disposes the device.</param>
    /// <param name="maximumRows">The most rows of one batch.</param>
    public VulkanExecutor(VulkanContext gpu, SelfCheckResult check, bool ownsContext = true, int maximumRows = 512)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maximumRows, 1);
        (_gpu, _ownsContext, MaximumRows) = (gpu, ownsContext, maximumRows);
        _matmul = new GpuMatmul(gpu, check);
        _estimate = new WorkEstimate(_matmul.Dispatcher, () => gpu.Watchdog);
        _memory = new ModelMemory(gpu, _matmul.Dispatcher.Check);
        Name = string.Create(CultureInfo.InvariantCulture, $"vulkan:{gpu.Facts.Index} {gpu.Facts.Name}");
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override int MaximumRows { get; }

    /// <summary>The device.</summary>
    public VulkanContext Context => _gpu;

    /// <summary>What the self-check of the device's kernels found.</summary>
    public SelfCheckResult Check => _matmul.Dispatcher.Check;

    /// <summary>Whether plans recorded from now on take timestamps after every operation.</summary>
    public bool Profiling { get; set; }

    /// <summary>Whether passes are recorded, which builds their kernels, and not run: they give no logits.</summary>
    public bool RecordsOnly { get; init; }

    /// <summary>When which attention kernels are taken.</summary>
    public AttentionChoice Choice { get; init; } = new();

    /// <summary>Whether a single row's products prepare it; null: where the device is known to gain.</summary>
    public bool? FusesProducts { get; init; }

    /// <summary>Dispatches of the last forward pass.</summary>
    public int Dispatches { get; private set; }

    /// <summary>Submissions since the executor was made.</summary>
    public long Submissions { get; private set; }

    /// <summary>Microseconds of each submission of the last forward pass by the device's own timestamps: where it was cut, or with <see cref="Profiling"/>.</summary>
    public IReadOnlyList<double> SubmissionMicroseconds { get; private set; } = [];

    /// <summary>Time that End waited for the device in the last forward pass.</summary>
    public TimeSpan DeviceWait { get; private set; }

    /// <summary>With <see cref="Profiling"/>: each operation of the last forward pass in order, with its microseconds on the device and the bytes that it cannot do without.</summary>
    public IReadOnlyList<(string Operation, double Microseconds, long Bytes)> Profile { get; private set; } = [];

    /// <summary>With <see cref="Profiling"/>: told each operation of every pass and its microseconds.</summary>
    public Action<string, double>? Profiled { get; set; }

    /// <summary>
    /// Rows of a batch that suit prompts on a device: 2,048 fill the largest of GPUs (a layer of 4,096 channels is 128 tiles of 128 rows
    /// and channels at 512 rows), and their activations, some 150 KB a row for a model of 7 B, are 1 % of the memory that is asked for.
    /// </summary>
    public static int PromptRows(VulkanDeviceFacts device) => device switch
    {
        { Kind: VulkanDeviceKind.Cpu } => 512,
        { MemoryBytes: >= 32L << 30 } => 2048,
        { MemoryBytes: >= 15L << 30 } => 1024,
        _ => 512,
    };

    /// <inheritdoc/>
    public override void Reserve(IModelSource source, int sequences, int context, PageTable? table)
    {
        if (source.KeyValueBits == 32)
        {
            throw new VulkanException("Unquantized models run on the device cpu only; quantize this one first (Portable.Quantizer).");
        }

        foreach (BlockLayout block in source.Config.Blocks)
        {
            RequireServed(CacheShape.For(block.Attention, source.KeyValueBits, sequences, context, MaximumRows, table));
        }

        RequireServed(source.LoadEmbedding());
        foreach (TableWeights? weights in (TableWeights?[])[source.LoadPositions() is { } positions ? new TableWeights(positions) : null, source.LoadHead()])
        {
            if (weights is not null)
            {
                RequireServed(weights);
            }
        }

        MemoryEstimate estimate = VulkanMemory.Of(source, sequences, context, MaximumRows, table);
        long free = _gpu.FreeBytes;
        if (estimate.Total > free)
        {
            throw new VulkanException($"The model needs {estimate} and {Name} has {(free / 1e9).ToString("F2", CultureInfo.InvariantCulture)} GB; use fewer bits, a shorter context or fewer texts at once, or the device cpu.");
        }
    }

    /// <inheritdoc/>
    public override void Rehearse(Action<int> pass)
    {
        // A software device builds a kernel when it first runs.
        if (_gpu.Facts.Kind == VulkanDeviceKind.Cpu || RecordsOnly)
        {
            return;
        }

        _rehearses = true;
        try
        {
            pass(Math.Min(ShortPrompt, MaximumRows));
        }
        finally
        {
            _rehearses = false;
        }
    }

    /// <inheritdoc/>
    public override DeviceTable Upload(TableWeights weights)
    {
        RequireServed(weights);
        if (weights.Quantized is { } codes)
        {
            LinearWeights head = new() { Name = "head", Quantized = codes };
            VulkanLinear linear = new(_gpu, [head]);
            _owned.Add(linear);
            GpuLinear matrix = linear.Matrices[0].Matrix;
            if (_gpu.Facts.Kind != VulkanDeviceKind.Cpu)
            {
                _matmul.Prepare(matrix, 1);
            }

            return new VulkanCodeTable(matrix, InputSpec.Of(head, codes.Weights.Columns));
        }

        FloatTable table = weights.Float!;
        GpuBuffer buffer = Keep(_gpu.Allocate(table.Bytes));
        foreach ((int firstRow, FloatTable piece) in table.Pieces)
        {
            _gpu.Upload(piece.Data.Span, buffer, table.Bytes / table.Rows * firstRow);
        }

        return new VulkanFloatTable(table.Rows, table.Columns, table.Type, buffer);
    }

    /// <inheritdoc/>
    public override DeviceNorm Upload(NormWeights norm, float epsilon) =>
        new VulkanNorm(Keep(_gpu.Allocate<float>([.. norm.Gain, .. norm.Bias ?? []])), norm.Gain.Length, norm.Bias is not null, epsilon);

    /// <inheritdoc/>
    public override DeviceLinear Upload(IReadOnlyList<LinearWeights> parts)
    {
        if (parts.All(p => p.Quantized is null))
        {
            VulkanFloatLinear floats = new(_gpu, parts);
            _owned.Add(floats);
            return floats;
        }

        VulkanLinear linear = new(_gpu, parts);
        _owned.Add(linear);

        // A software device builds a kernel when it first runs.
        if (_gpu.Facts.Kind != VulkanDeviceKind.Cpu)
        {
            foreach ((GpuLinear matrix, _) in linear.Matrices)
            {
                _matmul.Prepare(matrix, 1, Math.Min(ShortPrompt, MaximumRows), MaximumRows);
            }
        }

        return linear;
    }

    /// <inheritdoc/>
    public override DeviceLinear Share(DeviceLinear uploaded, LinearWeights part)
    {
        if (uploaded is not VulkanLinear { Matrices: [(GpuLinear matrix, _)] } || part.Quantized is not { } quantized || matrix.Reading(quantized.Input) is not { } other)
        {
            return Upload([part]);
        }

        VulkanLinear linear = new(other);
        _owned.Add(linear);
        return linear;
    }

    /// <inheritdoc/>
    public override DeviceRotary CreateRotary(RotaryTable table)
    {
        int half = table.Half, stride = (table.HasQueryFactors ? 4 : 2) * half;
        float[] values = new float[table.Positions * stride];
        for (int position = 0; position < table.Positions; position++)
        {
            Span<float> row = values.AsSpan(position * stride, stride);
            table.Cosine(position).CopyTo(row);
            table.Sine(position).CopyTo(row[half..]);
            if (table.HasQueryFactors)
            {
                table.QueryCosine(position).CopyTo(row[(2 * half)..]);
                table.QuerySine(position).CopyTo(row[(3 * half)..]);
            }
        }

        return new VulkanRotary(Keep(_gpu.Allocate<float>(values)), half, table.HasQueryFactors);
    }

    /// <inheritdoc/>
    public override DeviceCache CreateCache(CacheShape shape)
    {
        RequireServed(shape);
        if (shape.Table is { } table)
        {
            _memory.NeedPages(table);
        }

        long slots = VulkanCache.Slots(shape), words = slots * VulkanCache.HeadWords(shape);
        GpuBuffer keys = Keep(_gpu.Allocate(words * 4)), values = Keep(_gpu.Allocate(words * 4));
        GpuBuffer parameters = Keep(_gpu.Allocate(slots * VulkanCache.ParameterBytes(shape)));
        return new VulkanCache(shape, keys, values, parameters);
    }

    /// <inheritdoc/>
    public override DeviceActivation CreateActivation(int columns) => _memory.Add(new VulkanActivation(columns));

    /// <inheritdoc/>
    public override DeviceActivation[][] CreateActivations(params int[][] phases) => [.. _memory.Add(new PhasedMemory(phases)).Activations];

    /// <inheritdoc/>
    public override DeviceInput CreateInput(InputSpec spec) => spec.Quantizer is null ? _memory.Add(new VulkanFloatInput(spec)) : _memory.Add(new VulkanInput(spec, _gpu));

    /// <inheritdoc/>
    public override void CopyPage(IReadOnlyList<DeviceCache> caches, int source, int target) => _gpu.Run(recorder =>
    {
        foreach (VulkanCache cache in caches.Cast<VulkanCache>())
        {
            cache.CopyPage(recorder, source, target);
        }
    });

    /// <inheritdoc/>
    public override void Begin(Batch batch)
    {
        _noted = 0;
        _writes.Clear();
        _loads.Clear();
        _leaves.Clear();
        _reads.Clear();
        _vocabulary = 0;
        _batch = batch;
    }

    /// <inheritdoc/>
    public override void Embed(DeviceTable embedding, float scale, DeviceTable? positions, int positionOffset, DeviceActivation x) =>
        Note(new EmbedOperation((VulkanTable)embedding, scale, (VulkanTable?)positions, positionOffset, (VulkanActivation)x));

    /// <inheritdoc/>
    public override void Normalize(DeviceActivation x, DeviceNorm norm, ReadOnlySpan<DeviceInput> inputs)
    {
        foreach (DeviceInput input in inputs)
        {
            VulkanActivation rows = (VulkanActivation)x;
            VulkanNorm through = (VulkanNorm)norm;
            if (input is VulkanFloatInput floats)
            {
                Note(new PrepareFloatsOperation(rows, through, through.Source, default, floats));
            }
            else
            {
                Note(new NormalizeOperation(rows, through, (VulkanInput)input));
            }
        }
    }

    /// <inheritdoc/>
    public override void Prepare(DeviceActivation x, ReadOnlySpan<DeviceInput> inputs)
    {
        foreach (DeviceInput input in inputs)
        {
            if (input is VulkanFloatInput floats)
            {
                Note(new PrepareFloatsOperation((VulkanActivation)x, null, PrepareSource.Copy, default, floats));
            }
            else
            {
                Note(new PrepareOperation((VulkanActivation)x, (VulkanInput)input));
            }
        }
    }

    /// <inheritdoc/>
    public override void Linear(DeviceInput input, DeviceLinear linear, DeviceActivation y, int column)
    {
        if (linear is VulkanFloatLinear floats)
        {
            Note(new FloatLinearOperation((VulkanFloatInput)input, floats, (VulkanActivation)y, column, false));
        }
        else
        {
            Note(new LinearOperation((VulkanInput)input, (VulkanLinear)linear, (VulkanActivation)y, column));
        }
    }

    /// <inheritdoc/>
    public override void LinearResidual(DeviceInput input, DeviceLinear linear, DeviceActivation x)
    {
        if (linear is VulkanFloatLinear floats)
        {
            Note(new FloatLinearOperation((VulkanFloatInput)input, floats, (VulkanActivation)x, 0, true));
        }
        else
        {
            Note(new LinearResidualOperation((VulkanInput)input, (VulkanLinear)linear, (VulkanActivation)x));
        }
    }

    /// <inheritdoc/>
    public override void Attention(DeviceActivation qkv, AttentionLayout layout, DeviceHeads parts, DeviceCache cache, DeviceActivation output)
    {
        VulkanCache keysAndValues = (VulkanCache)cache;
        Note(new AttentionOperation((VulkanActivation)qkv, layout, parts, keysAndValues, (VulkanActivation)output));
        _memory.NeedQueries(layout, keysAndValues.Shape);
    }

    /// <inheritdoc/>
    public override void AddNormalized(DeviceActivation y, DeviceNorm norm, DeviceActivation x) =>
        Note(new AddNormalizedOperation((VulkanActivation)y, (VulkanNorm)norm, (VulkanActivation)x));

    /// <inheritdoc/>
    public override void Gate(DeviceActivation gateUp, ActivationKind kind, ReadOnlySpan<DeviceInput> inputs) => Activate(gateUp, kind, gated: true, inputs);

    /// <inheritdoc/>
    public override void Activate(DeviceActivation x, ActivationKind kind, ReadOnlySpan<DeviceInput> inputs) => Activate(x, kind, gated: false, inputs);

    /// <inheritdoc/>
    public override void Logits(DeviceActivation x, DeviceNorm norm, DeviceTable head, float softcap)
    {
        if (head is VulkanCodeTable codes)
        {
            Note(new CodeLogitsOperation((VulkanActivation)x, (VulkanNorm)norm, codes, codes.Input(_gpu, _memory), softcap));
        }
        else
        {
            Note(new LogitsOperation((VulkanActivation)x, (VulkanNorm)norm, (VulkanFloatTable)head, softcap));
            _memory.NeedHidden(x.Columns);
        }

        _vocabulary = head.Rows;
    }

    /// <inheritdoc/>
    public override void Write(DeviceActivation x, ReadOnlySpan<float> values) => _writes.Add(((VulkanActivation)x, values.ToArray()));

    /// <inheritdoc/>
    public override void Write(DeviceActivation x, StoredRows rows, int first, int count)
    {
        if (rows is VulkanRows pinned)
        {
            _loads.Add(((VulkanActivation)x, pinned.Buffer, sizeof(float) * (long)first, sizeof(float) * (long)count));
        }
        else
        {
            base.Write(x, rows, first, count);
        }
    }

    /// <inheritdoc/>
    public override void Leave(DeviceActivation x, StoredRows rows, int first, int count)
    {
        if (rows is VulkanRows pinned)
        {
            _leaves.Add(((VulkanActivation)x, pinned.Buffer, sizeof(float) * (long)first, sizeof(float) * (long)count));
        }
        else
        {
            _reads.Add((x, rows, first, count));
        }
    }

    /// <inheritdoc/>
    public override void Read(DeviceActivation x, Span<float> values) => _gpu.Download(((VulkanActivation)x).Buffer, values);

    /// <inheritdoc/>
    public override ReadOnlySpan<float> End()
    {
        Batch batch = _batch ?? throw new InvalidOperationException("Begin has not been called.");
        _batch = null;
        int logits = checked(batch.LogitRows.Length * _vocabulary);
        Plan plan = PlanFor(batch, logits);
        if (RecordsOnly || _rehearses)
        {
            return [];
        }

        for (int attempt = 0; !RunPlan(plan); attempt++)
        {
            // The device may have been reset in the middle of it: nothing that it has left is believed, and shorter submissions try again.
            Forget();
            if (attempt == MostRepeats)
            {
                throw new VulkanException($"{Name} took longer than {_gpu.Watchdog.TotalSeconds} s for one submission again and again, after which systems reset a device: its results are not to be trusted. Use a smaller batch or model, or the CPU.");
            }

            _memory.ResetCounters();
            _owned.ForEach(o => (o as VulkanLinear)?.ResetCounters(_gpu));
            plan = PlanFor(batch, logits);
        }

        _writes.Clear();
        foreach ((DeviceActivation x, StoredRows rows, int first, int count) in _reads)
        {
            base.Leave(x, rows, first, count);
        }

        Dispatches = plan.Dispatches;
        if (plan.Timestamps is { } timestamps)
        {
            ReadProfile(timestamps, plan, batch);
        }

        if (logits == 0)
        {
            return [];
        }

        ReadOnlySpan<float> values = _memory.Logits.Read(logits);
        FiniteCheck.Logits(values);
        return values;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _matmul.Settle();
        Forget();
        _memory.Dispose();
        _owned.ForEach(b => b.Dispose());
        _owned.Clear();
        if (_ownsContext)
        {
            _gpu.Dispose();
        }
    }

    private void Activate(DeviceActivation x, ActivationKind kind, bool gated, ReadOnlySpan<DeviceInput> inputs)
    {
        foreach (DeviceInput input in inputs)
        {
            if (input is VulkanFloatInput floats)
            {
                Note(new PrepareFloatsOperation((VulkanActivation)x, null, gated ? PrepareSource.Gate : PrepareSource.Activation, kind, floats));
                continue;
            }

            ActivateOperation operation = new((VulkanActivation)x, kind, gated, (VulkanInput)input);
            Note(operation);
            if (operation.IsShared)
            {
                _memory.NeedActivated(operation.Columns);
            }
        }
    }

    private Plan PlanFor(Batch batch, int logits)
    {
        // Bitwise or: both must grow.
        if (_recut | _memory.Ensure(batch.Rows, batch.LogitRows.Length, MaximumRows) | _memory.Logits.Ensure(_gpu, logits))
        {
            Forget();
            _recut = false;
        }

        (bool matrices, int stretches) = _memory.Write(batch, Choice);
        PlanKey key = new(batch.Rows, _memory.Batch.SingleTokens ? 0 : _memory.Batch.Tiles, matrices, batch.LogitRows.Length, _memory.Batch.SingleTokens, stretches);
        Span<IOperation> operations = CollectionsMarshal.AsSpan(_operations)[.._noted];
        if (_plans.TryGetValue(key, out Plan? plan))
        {
            if (operations.SequenceEqual(plan.Operations))
            {
                return plan;
            }

            // Two passes that take turns keep both of their plans.
            if (_otherPlans.Remove(key, out Plan? other))
            {
                if (operations.SequenceEqual(other.Operations))
                {
                    (_plans[key], _otherPlans[key]) = (other, plan);
                    return other;
                }

                other.Dispose();
            }

            _otherPlans[key] = plan;
            _plans.Remove(key);
        }

        if (_plans.Count >= MostPlans)
        {
            Forget();
        }

        plan = PlanRecorder.Record(_matmul, _memory, key, operations, Profiling, _estimate, FusesProducts ?? Check.FusesProducts, RecordsOnly || _rehearses);
        _plans.Add(key, plan);
        return plan;
    }

    /// <summary>Runs a plan and waits for it.</summary>
    /// <returns>Whether every submission ended well before the system's watchdog may have meddled.</returns>
    private bool RunPlan(Plan plan)
    {
        foreach ((VulkanActivation x, float[] rows) in _writes)
        {
            _gpu.Upload<float>(rows, x.Buffer);
        }

        plan.Timestamps?.Reset();
        plan.PartTimes?.Reset();
        using CommandList? loads = Copies(_loads, (recorder, x, rows, offset, bytes) => recorder.Copy(rows, offset, x, 0, bytes));
        using CommandList? leaves = Copies(_leaves, (recorder, x, rows, offset, bytes) => recorder.Copy(x, 0, rows, offset, bytes));
        ulong ticket = 0;
        if (loads is not null)
        {
            ticket = _gpu.Submit(loads);
        }

        for (int i = 0; i < plan.Parts.Count; i++)
        {
            ticket = _gpu.Submit(plan.Parts[i].Commands, ticket);
        }

        if (leaves is not null)
        {
            _gpu.Submit(leaves, ticket);
        }

        long begun = Stopwatch.GetTimestamp(), start = begun;
        bool healthy = true, anew = false;
        if (_waits.Length < plan.Parts.Count)
        {
            _waits = new TimeSpan[plan.Parts.Count];
        }

        for (int i = 0; i < plan.Parts.Count; i++)
        {
            // All run by now: the waits only tell when each has ended.
            _gpu.Wait(plan.Parts[i].Commands.LastTicket);
            long now = Stopwatch.GetTimestamp();
            _waits[i] = Stopwatch.GetElapsedTime(start, now) + (_gpu.Faults?.NextWait() ?? TimeSpan.Zero);
            start = now;
        }

        _gpu.Wait(leaves?.LastTicket ?? 0);
        healthy &= ReadPartTimes(plan);
        for (int i = 0; i < plan.Parts.Count && _gpu.Watchdog != Timeout.InfiniteTimeSpan; i++)
        {
            // The host may see one end late and the next in time: the device's own clock has a word too.
            double took = Math.Max(_waits[i].TotalNanoseconds, i < SubmissionMicroseconds.Count ? 1000 * SubmissionMicroseconds[i] : 0);
            healthy &= took < _gpu.Watchdog.TotalNanoseconds;
            anew |= _estimate.Learn(plan.Parts[i].Nanoseconds, took);
        }

        DeviceWait = Stopwatch.GetElapsedTime(begun, start);
        Submissions += plan.Parts.Count;
        _recut |= anew;
        return healthy;
    }

    private CommandList? Copies(List<(VulkanActivation X, GpuBuffer Rows, long Offset, long Bytes)> copies, Action<CommandRecorder, GpuBuffer, GpuBuffer, long, long> record)
    {
        if (copies.Count == 0)
        {
            return null;
        }

        CommandRecorder recorder = _gpu.Record();
        foreach ((VulkanActivation x, GpuBuffer rows, long offset, long bytes) in copies)
        {
            record(recorder, x.Buffer, rows, offset, bytes);
        }

        return recorder.End();
    }

    /// <summary>Reads how long the submissions took, where that is measured.</summary>
    /// <returns>Whether every one of them wrote its times: not where a reset cut it short.</returns>
    private bool ReadPartTimes(Plan plan)
    {
        SubmissionMicroseconds = [];
        if (plan.PartTimes is null || _gpu.Faults?.RunsNothing == true)
        {
            return true;
        }

        double[]? stamps = plan.PartTimes.TryReadNanoseconds(2 * plan.Parts.Count);
        double[] times = new double[stamps is null ? 0 : plan.Parts.Count];
        for (int i = 0; i < times.Length; i++)
        {
            times[i] = (stamps![(2 * i) + 1] - stamps[2 * i]) / 1000;
        }

        SubmissionMicroseconds = times;
        return stamps is not null;
    }

    private void ReadProfile(TimestampPool timestamps, Plan plan, Batch batch)
    {
        // Fused operations leave the last timestamps of the pool unwritten; waiting for those would never end.
        double[] times = timestamps.ReadNanoseconds(plan.Steps.Count);
        var profile = new (string, double, long)[plan.Steps.Count - 1];
        for (int i = 0; i < profile.Length; i++)
        {
            PlanStep step = plan.Steps[i + 1];
            long bytes = 0;
            foreach (IOperation operation in plan.Operations[step.Operations])
            {
                bytes += operation.Bytes(batch);
            }

            profile[i] = (step.Name, (times[i + 1] - times[i]) / 1000, bytes);
            Profiled?.Invoke(step.Name, profile[i].Item2);
        }

        Profile = profile;
    }

    private void Forget()
    {
        foreach (Plan plan in _plans.Values.Concat(_otherPlans.Values))
        {
            plan.Dispose();
        }

        _plans.Clear();
        _otherPlans.Clear();
    }

    private GpuBuffer Keep(GpuBuffer buffer)
    {
        _owned.Add(buffer);
        return buffer;
    }

    /// <summary>Adds Σ x·xᵀ of an input's rows, as they are at this point of the pass.</summary>
    public void AddGram(DeviceInput input, VulkanSums sums) => Note(new GramOperation(Rows(input), Rows(input), sums));

    /// <summary>Adds Σ x·yᵀ of rows and an input's rows, as they are at this point of the pass.</summary>
    public void AddCross(DeviceActivation x, DeviceInput y, VulkanSums sums) => Note(new GramOperation((VulkanActivation)x, Rows(y), sums));

    /// <summary>Adds Σ x² of each column of an input's rows, as they are at this point of the pass.</summary>
    public void AddSquares(DeviceInput input, VulkanSums sums) => Note(new SquaresOperation(Rows(input), sums));

    /// <summary>Raises the largest magnitude of each column to those of an input's rows, as they are at this point of the pass.</summary>
    public void RaiseMaxima(DeviceInput input, VulkanMaxima maxima) => Note(new MaximaOperation(Rows(input), maxima));

    /// <summary>The same of an activation's rows.</summary>
    public void RaiseMaxima(DeviceActivation x, VulkanMaxima maxima) => Note(new MaximaOperation((VulkanActivation)x, maxima));

    /// <summary>Counts the magnitudes of each column of an input's rows, as they are at this point of the pass.</summary>
    public void CountMagnitudes(DeviceInput input, VulkanCounts counts) => Note(new MagnitudesOperation(Rows(input), counts));

    /// <summary>Divides rows by factors and rounds them to a static scale.</summary>
    public void RoundInput(DeviceActivation x, VulkanRounding rounding, DeviceActivation exact, DeviceActivation seen) =>
        Note(new RoundInputOperation((VulkanActivation)x, rounding, (VulkanActivation)exact, (VulkanActivation)seen));

    /// <summary>Keeps an input's rows, as they are at this point of the pass, in an activation that can be read.</summary>
    public void Keep(DeviceInput input, DeviceActivation kept) => Note(new SnapshotOperation(Rows(input), (VulkanActivation)kept));

    /// <summary>The same of an activation's rows.</summary>
    public void Keep(DeviceActivation x, DeviceActivation kept) => Note(new SnapshotOperation((VulkanActivation)x, (VulkanActivation)kept));

    /// <summary>Σ (ŷ·f − y)² and Σ y² of every row, f being factors of the columns, or 1.</summary>
    public void AddErrors(DeviceActivation exact, DeviceActivation approximate, VulkanSums errors, GpuBuffer? factors = null) => Note(new ErrorsOperation((VulkanActivation)exact, (VulkanActivation)approximate, errors, factors));

    /// <summary>Counts outputs; approximate ones are multiplied by factors first.</summary>
    public void CountOutputs(DeviceActivation exact, DeviceActivation approximate, VulkanOutputCounts counts) => Note(new OutputCountsOperation((VulkanActivation)exact, (VulkanActivation)approximate, counts));

    /// <summary>y −= x.</summary>
    public void Subtract(DeviceActivation x, DeviceActivation y) => Note(new DifferenceOperation((VulkanActivation)x, (VulkanActivation)y));

    private static VulkanActivation Rows(DeviceInput input) => ((VulkanFloatInput)input).Rows;

    /// <summary>Notes an operation; one that stands at its place since an earlier pass is kept, so that equal passes allocate nothing.</summary>
    private void Note<T>(T operation)
        where T : struct, IOperation, IEquatable<T>
    {
        if (_batch is null)
        {
            throw new InvalidOperationException("Begin has not been called.");
        }

        if (_noted == _operations.Count)
        {
            _operations.Add(operation);
        }
        else if (!(_operations[_noted] is T same && same.Equals(operation)))
        {
            _operations[_noted] = operation;
        }

        _noted++;
    }

    /// <summary>Refuses a table that the shaders or the device cannot hold in one buffer.</summary>
    private void RequireServed(TableWeights table)
    {
        // Shaders count elements in 32 bits, and reach words by signed indices; codes are reached by vectors of 16 bytes.
        long counted = table.Float is { } floats && (long)table.Rows * table.Columns > uint.MaxValue ? uint.MaxValue * (floats.Bytes / table.Rows / table.Columns) : 4L * int.MaxValue;
        long limit = Math.Min(counted, Math.Min(_gpu.Facts.MaximumAllocationBytes, _gpu.Facts.MaximumBufferBytes));
        if (table.Bytes > limit)
        {
            throw new VulkanException($"A table of {table.Rows}×{table.Columns} elements takes {table.Bytes >> 20} MiB, and {Name} holds at most {limit >> 20} MiB in one buffer; the device cpu serves it.");
        }
    }

    /// <summary>Refuses a cache that the kernels cannot serve.</summary>
    private void RequireServed(CacheShape shape)
    {
        if (AttentionLimits.Refusal(_gpu.Facts, shape) is { } refusal)
        {
            throw new VulkanException($"{Name} cannot attend: {refusal}; use the device cpu.");
        }

        if (VulkanCache.Slots(shape) * VulkanCache.HeadWords(shape) > uint.MaxValue)
        {
            throw new VulkanException($"A cache of {(long)VulkanCache.Pages(shape) * VulkanCache.ChunkTokens} tokens exceeds what shaders can count; use a smaller batch or context.");
        }
    }
}
