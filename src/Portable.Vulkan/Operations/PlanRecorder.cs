using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>Turns a list of operations into commands, once per batch shape; operations record themselves through it.</summary>
internal sealed class PlanRecorder
{
    private readonly GpuMatmul _matmul;
    private readonly List<PlanPart> _parts = [];
    private readonly WorkEstimate _estimate;
    private CommandRecorder _recorder;
    private readonly Hazards _hazards = new();
    private readonly List<GpuBuffer> _arguments = [];
    private readonly List<PlanStep> _steps = [];
    private readonly TimestampPool? _timestamps, _partTimes;
    private readonly HashSet<Shader>? _rehearsal;
    private int _dispatches, _stamped;
    private LinkedRows? _rows;

    private PlanRecorder(GpuMatmul matmul, ModelMemory memory, PlanKey key, int timestamps, int partTimes, WorkEstimate estimate, DecodePlan decode, HashSet<Shader>? rehearsal = null)
    {
        (_matmul, Memory, Key, _estimate, FusesProducts) = (matmul, memory, key, estimate, decode != DecodePlan.Apart && key.Rows == 1);
        _timestamps = timestamps > 0 ? Gpu.CreateTimestamps(timestamps) : null;
        _partTimes = partTimes > 0 && Gpu.Facts.TimestampPeriod > 0 ? Gpu.CreateTimestamps(partTimes) : null;
        _rehearsal = rehearsal;
        _recorder = NewRecorder();
    }

    /// <summary>The device.</summary>
    public VulkanContext Gpu => _matmul.Gpu;

    /// <summary>The model's working memory.</summary>
    public ModelMemory Memory { get; }

    /// <summary>The shape of the batches that this is recorded for.</summary>
    public PlanKey Key { get; }

    /// <summary>Whether the kernels of products prepare their row and finish what follows them.</summary>
    public bool FusesProducts { get; }

    /// <summary>Whether dispatches of a single row wait for one another's values without barriers; not where each is timed.</summary>
    public bool LinksDispatches => _rows is not null;

    /// <summary>Whether an activation's row is one that linked dispatches leave.</summary>
    public bool IsLinked(VulkanActivation activation) => _rows?.Find(activation) is not null;

    /// <summary>Workgroups that a test leaves out of every linked dispatch.</summary>
    public int Absent => Gpu.Faults?.AbsentWorkgroups ?? 0;

    /// <summary>Records a forward pass.</summary>
    /// <param name="matmul">The device's matmuls.</param>
    /// <param name="memory">The model's working memory.</param>
    /// <param name="key">The shape of its batches.</param>
    /// <param name="operations">What it does.</param>
    /// <param name="timed">Whether it takes timestamps after every operation and about every submission; about submissions also where there are several.</param>
    /// <param name="estimate">What cuts it into submissions.</param>
    /// <param name="decode">How a single row goes through the layers.</param>
    /// <param name="ahead">Whether its kernels are built on all cores before: worth it where none of them has been built.</param>
    public static Plan Record(GpuMatmul matmul, ModelMemory memory, PlanKey key, ReadOnlySpan<IOperation> operations, bool timed, WorkEstimate estimate, DecodePlan decode, bool ahead)
    {
        if (ahead && matmul.Gpu.Facts.Kind != VulkanDeviceKind.Cpu)
        {
            BuildAhead(matmul, memory, key, operations, estimate, timed && decode == DecodePlan.Linked ? DecodePlan.Fused : decode);
        }

        double work = 0;
        foreach (IOperation operation in operations)
        {
            work += estimate.Nanoseconds(operation, key);
        }

        bool measured = timed || work > estimate.PartNanoseconds;
        PlanRecorder recorder = new(matmul, memory, key, timed ? operations.Length + 2 : 0, measured ? 2 * (operations.Length + 1) : 0, estimate, decode);
        try
        {
            if (!timed && Links(key, decode, operations))
            {
                // A first time, to find out which rows stay among linked dispatches.
                LinkedRows rows = new();
                Rehearse(matmul, memory, key, operations, estimate, decode, [], rows);
                if (!rows.IsEmpty)
                {
                    recorder._rows = rows;
                    rows.Begin(matmul.Gpu);
                }
            }

            Plan plan = recorder.Run(operations);
            if (decode != DecodePlan.Apart && key.Rows > 1 && recorder.Gpu.Facts.Kind != VulkanDeviceKind.Cpu)
            {
                // What follows a prompt should not wait for its kernels.
                matmul.Prepare(FusedProducts.Shaders(recorder.Gpu.Facts, plan.Operations, decode == DecodePlan.Linked));
            }

            return plan;
        }
        catch
        {
            recorder.Release();
            throw;
        }
    }

    /// <summary>Puts a barrier where what comes next reads what was written, or writes what was read or written, since the last one.</summary>
    public void Order(ReadOnlySpan<IDeviceMemory?> reads, ReadOnlySpan<IDeviceMemory?> writes)
    {
        if (_hazards.Next(reads, writes))
        {
            _recorder.Barrier();
        }

        _rows?.Pass(reads, writes);
    }

    /// <summary>
    /// The same for a dispatch that waits by itself for the values of a row that linked dispatches before it leave, and leaves one: barriers are for
    /// what it reads and writes elsewhere.
    /// </summary>
    /// <param name="x">The row that it reads.</param>
    /// <param name="y">The row that it writes; null: none.</param>
    /// <param name="columns">Columns of that.</param>
    /// <param name="residual">Whether it adds to it.</param>
    /// <param name="reads">What else it reads.</param>
    /// <param name="writes">What else it writes.</param>
    /// <returns>What the dispatch is told; null where barriers order all of it.</returns>
    public LinkedPlaces? Link(VulkanActivation x, IDeviceMemory? y, int columns, bool residual, ReadOnlySpan<IDeviceMemory?> reads = default, ReadOnlySpan<IDeviceMemory?> writes = default)
    {
        if (_rows is null || columns % 4 != 0 || x.Columns % 4 != 0)
        {
            Order([x, residual ? y : null, .. reads], [y, .. writes]);
            return null;
        }

        ulong? from = _rows.Find(x), before = residual && y is not null ? _rows.Find(y) : null;
        (ulong Address, bool Plain)? left = y is VulkanActivation activation ? _rows.Add(activation, columns) : null;
        bool plain = left?.Plain ?? true;
        if (_hazards.Next([from is null ? x : null, residual && before is null ? y : null, .. reads], [plain ? y : null, .. writes]))
        {
            _recorder.Barrier();
        }

        return new LinkedPlaces(from, before, left?.Address, plain && y is not null, _rows.UndoneAddress);
    }

    /// <summary>Runs a shader.</summary>
    public void Dispatch<TPush>(Shader<TPush> shader, in TPush push, int x, int y = 1, int z = 1)
        where TPush : unmanaged
    {
        _recorder.Dispatch(shader, push, x, y, z);
        _dispatches++;
    }

    /// <summary>Multiplies prepared rows with each matrix of a linear, to neighbouring columns.</summary>
    public void Multiply(VulkanInput input, VulkanLinear linear, VulkanActivation y, int column, bool residual)
    {
        foreach ((GpuLinear matrix, int offset) in linear.Matrices)
        {
            _matmul.Record(_recorder, matrix, input.Addresses, Key.Rows, y.Address + ((ulong)(column + offset) * sizeof(float)), y.Columns, residual);
            _dispatches++;
        }
    }

    /// <summary>Multiplies the logit rows, prepared, with a head of codes.</summary>
    public void Multiply(VulkanInput input, VulkanCodeTable head, ulong logits)
    {
        _matmul.Record(_recorder, head.Matrix, input.Addresses, Key.LogitRows, logits, head.Rows);
        _dispatches++;
    }

    /// <summary>Copies the start of one buffer to another.</summary>
    public void Copy(GpuBuffer source, GpuBuffer target, long bytes) => _recorder.Copy(source, 0, target, 0, bytes);

    /// <summary>Copies logits to the host, unless they were written there.</summary>
    public void ReadLogits(ulong target, long count)
    {
        if (target == Memory.Logits.Device)
        {
            Order([Memory.Logits], []);
        }

        Memory.Logits.Record(_recorder, target, count * sizeof(float));
    }

    /// <summary>Keeps a buffer that only these commands use until they go.</summary>
    public GpuBuffer Keep(GpuBuffer buffer)
    {
        _arguments.Add(buffer);
        return buffer;
    }

    /// <summary>Ends a timed step that serves the next so many operations, of those that are being recorded.</summary>
    public void Stamp(string step, int operations)
    {
        if (_timestamps is not null && _steps.Count < _timestamps.Count)
        {
            _recorder.Timestamp(_timestamps, _steps.Count);
            _steps.Add(new PlanStep(step, _stamped..(_stamped + operations)));
            _stamped += operations;
        }
    }

    // One after the other the kernels of a prompt take most of a process's first one: they are noted, built on all cores, and then recorded.
    private static void BuildAhead(GpuMatmul matmul, ModelMemory memory, PlanKey key, ReadOnlySpan<IOperation> operations, WorkEstimate estimate, DecodePlan decode)
    {
        HashSet<Shader> shaders = [];
        LinkedRows? rows = Links(key, decode, operations) ? new LinkedRows() : null;
        Rehearse(matmul, memory, key, operations, estimate, decode, shaders, rows);
        matmul.Gpu.BuildAhead(shaders.Select(s => (Action)(() => matmul.Gpu.Pipeline(s))));
    }

    private static bool Links(PlanKey key, DecodePlan decode, ReadOnlySpan<IOperation> operations)
    {
        bool links = decode == DecodePlan.Linked && key.Rows == 1;
        for (int i = 0; links && i < operations.Length; i++)
        {
            links = !operations[i].Accumulates;
        }

        return links;
    }

    // Notes kernels and rows; nothing is kept of what is recorded.
    private static void Rehearse(GpuMatmul matmul, ModelMemory memory, PlanKey key, ReadOnlySpan<IOperation> operations, WorkEstimate estimate, DecodePlan decode, HashSet<Shader> shaders, LinkedRows? rows)
    {
        PlanRecorder rehearsal = new(matmul, memory, key, 0, 0, estimate, decode, shaders) { _rows = rows };
        try
        {
            rehearsal.Run(operations).Dispose();
        }
        catch
        {
            rehearsal.Release();
            throw;
        }
    }

    private CommandRecorder NewRecorder() => _rehearsal is null ? Gpu.Record() : new CommandRecorder(Gpu) { Rehearsal = _rehearsal };

    private Plan Run(ReadOnlySpan<IOperation> operations)
    {
        StampPart(begins: true);
        Memory.Batch.Record(_recorder);
        _rows?.Record(_recorder);
        _recorder.Barrier();
        Stamp("batch", 0);
        double work = 0;
        int begun = 0;
        for (int i = 0; i < operations.Length;)
        {
            int first = i;
            double next = _estimate.Nanoseconds(operations[first], Key);
            if (work > 0 && work + next > _estimate.PartNanoseconds)
            {
                StampPart(begins: false);
                _parts.Add(new PlanPart(_recorder.End(), first - begun, work));
                (work, begun) = (0, first);
                _recorder = NewRecorder();
                StampPart(begins: true);
                _hazards.Clear();
            }

            work += next;
            _stamped = first;
            i += 1 + operations[first].Record(this, operations[(first + 1)..]);
            foreach (IOperation fused in operations[(first + 1)..i])
            {
                work += _estimate.Nanoseconds(fused, Key);
            }

            // A product that prepares its row goes by its own name.
            IOperation named = operations[first] is NormalizeOperation or PrepareOperation or ActivateOperation ? operations[i - 1] : operations[first];
            Stamp(named.Name, i - _stamped);
        }

        StampPart(begins: false);
        _parts.Add(new PlanPart(_recorder.End(), operations.Length - begun, work));
        return new Plan(operations.ToArray(), _parts, _arguments, _dispatches, _timestamps, _steps) { PartTimes = _partTimes, Rows = _rows };
    }

    private void StampPart(bool begins)
    {
        if (_partTimes is not null)
        {
            _recorder.Timestamp(_partTimes, (2 * _parts.Count) + (begins ? 0 : 1));
        }
    }

    /// <summary>Gives back what a recording that failed has taken.</summary>
    private void Release()
    {
        _recorder.End().Dispose();
        _parts.ForEach(p => p.Commands.Dispose());
        _timestamps?.Dispose();
        _partTimes?.Dispose();
        _rows?.Dispose();
        _arguments.ForEach(b => b.Dispose());
    }
}
