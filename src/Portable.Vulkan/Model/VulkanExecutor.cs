using System.Globalization;
using Portable.Execution;
using Portable.Reference.Blocks;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
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
internal sealed partial class VulkanExecutor : Executor
{
    private const int MostRepeats = 3, ShortPrompt = 512;
    private readonly VulkanContext _gpu;
    private readonly bool _ownsContext;
    private readonly GpuMatmul _matmul;
    private readonly ModelMemory _memory;
    private readonly ServedLimits _limits;
    private readonly WorkEstimate _estimate;
    private readonly PlanRunner _runner;
    private readonly PlanStore _plans = new();
    private readonly NotedOperations _operations = new();
    private readonly HostTransfers _transfers = new();
    private readonly List<IDisposable> _owned = [];
    private Batch? _batch;
    private int _vocabulary;
    private bool _rehearses;

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
        _runner = new PlanRunner(gpu, _estimate);
        _memory = new ModelMemory(gpu, _matmul.Dispatcher.Check);
        Name = string.Create(CultureInfo.InvariantCulture, $"vulkan:{gpu.Facts.Index} {gpu.Facts.Name}");
        _limits = new ServedLimits(gpu.Facts, Name);
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

    /// <summary>How a single row goes through the layers; null: as the device is known to be fastest.</summary>
    public DecodePlan? DecodePlan { get; init; }

    /// <summary>Whether dispatches waited for one another in vain, so that barriers order them from then on.</summary>
    public bool GaveUpLinks { get; private set; }

    /// <summary>Dispatches of the last forward pass.</summary>
    public int Dispatches { get; private set; }

    /// <summary>Those of them that left rows for others without barriers.</summary>
    public int LinkedDispatches { get; private set; }

    /// <summary>Submissions since the executor was made.</summary>
    public long Submissions => _runner.Submissions;

    /// <summary>Microseconds of each submission of the last forward pass by the device's own timestamps: where it was cut, or with <see cref="Profiling"/>.</summary>
    public IReadOnlyList<double> SubmissionMicroseconds => _runner.SubmissionMicroseconds;

    /// <summary>Time that End waited for the device in the last forward pass.</summary>
    public TimeSpan DeviceWait => _runner.DeviceWait;

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
    public override void Begin(Batch batch)
    {
        _operations.Clear();
        _transfers.Clear();
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
    public override void Write(DeviceActivation x, ReadOnlySpan<float> values) => _transfers.Write((VulkanActivation)x, values.ToArray());

    /// <inheritdoc/>
    public override void Write(DeviceActivation x, StoredRows rows, int first, int count)
    {
        if (rows is VulkanRows pinned)
        {
            _transfers.Load((VulkanActivation)x, pinned, first, count);
        }
        else
        {
            base.Write(x, rows, first, count);
        }
    }

    /// <inheritdoc/>
    public override void Leave(DeviceActivation x, StoredRows rows, int first, int count) => _transfers.Leave(x, rows, first, count);

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

        for (int attempt = 0; !_runner.Run(plan, _transfers) || plan.Rows?.Undone == true; attempt++)
        {
            if (plan.Rows?.Undone == true)
            {
                GiveUpLinks();
            }

            // The device may have been reset in the middle of it: nothing that it has left is believed, and shorter submissions try again.
            _plans.Clear();
            if (attempt == MostRepeats)
            {
                throw new VulkanException($"{Name} took longer than {_gpu.Watchdog.TotalSeconds} s for one submission again and again, after which systems reset a device: its results are not to be trusted. Use a smaller batch or model, or the CPU.");
            }

            _memory.ResetCounters();
            _owned.ForEach(o => (o as VulkanLinear)?.ResetCounters(_gpu));
            plan = PlanFor(batch, logits);
        }

        foreach ((DeviceActivation x, StoredRows rows, int first, int count) in _transfers.Reads)
        {
            base.Leave(x, rows, first, count);
        }

        _transfers.Clear();
        (Dispatches, LinkedDispatches) = (plan.Dispatches, plan.Rows?.Count ?? 0);
        if (plan.Timestamps is { } timestamps)
        {
            Profile = PlanRunner.ReadProfile(timestamps, plan, batch);
            foreach ((string operation, double microseconds, _) in Profile)
            {
                Profiled?.Invoke(operation, microseconds);
            }
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
        _plans.Dispose();
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

    // Workgroups that are waited for did not run beside those that wait: this device is not to be asked for that again.
    private void GiveUpLinks()
    {
        // Once may be a long halt of the system; twice in a process is how the device is, and later processes need not find that out.
        const int Enough = 2;
        GaveUpLinks = true;
        if (Interlocked.Increment(ref _gpu.GivenUpLinks) == Enough && DecodePlan is null)
        {
            const string Note = "orders the dispatches of a step by barriers: workgroups that others wait for did not run";
            (Check with { DecodePlan = Matmul.Selection.DecodePlan.Fused, Note = Check.Note ?? Note }).Save(_gpu.Facts);
        }
    }

    private Plan PlanFor(Batch batch, int logits)
    {
        // Bitwise or: both must grow.
        if (_runner.OutdatesPlans | _memory.Ensure(batch.Rows, batch.LogitRows.Length, MaximumRows) | _memory.Logits.Ensure(_gpu, logits))
        {
            _plans.Clear();
            _runner.OutdatesPlans = false;
        }

        (bool matrices, int stretches) = _memory.Write(batch, Choice);
        PlanKey key = new(batch.Rows, _memory.Batch.SingleTokens ? 0 : _memory.Batch.Tiles, matrices, batch.LogitRows.Length, _memory.Batch.SingleTokens, stretches);
        if (!_plans.TryFind(key, _operations.Noted, out Plan? plan))
        {
            DecodePlan decode = DecodePlan ?? Check.DecodePlan;
            decode = decode == Matmul.Selection.DecodePlan.Linked && GaveUpLinks ? Matmul.Selection.DecodePlan.Fused : decode;
            plan = PlanRecorder.Record(_matmul, _memory, key, _operations.Noted, Profiling, _estimate, decode, RecordsOnly || _rehearses);
            _plans.Add(key, plan);
        }

        return plan;
    }

    private void Note<T>(T operation)
        where T : struct, IOperation, IEquatable<T>
    {
        if (_batch is null)
        {
            throw new InvalidOperationException("Begin has not been called.");
        }

        _operations.Add(operation);
    }
}
