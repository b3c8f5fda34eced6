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
    private readonly TimestampPool? _timestamps;
    private int _dispatches;

    private PlanRecorder(GpuMatmul matmul, ModelMemory memory, PlanKey key, int timestamps, WorkEstimate estimate)
    {
        (_matmul, Memory, Key, _estimate) = (matmul, memory, key, estimate);
        _timestamps = timestamps > 0 ? Gpu.CreateTimestamps(timestamps) : null;
        _recorder = Gpu.Record();
    }

    /// <summary>The device.</summary>
    public VulkanContext Gpu => _matmul.Gpu;

    /// <summary>The model's working memory.</summary>
    public ModelMemory Memory { get; }

    /// <summary>The shape of the batches that this is recorded for.</summary>
    public PlanKey Key { get; }

    /// <summary>Records a forward pass.</summary>
    /// <param name="matmul">The device's matmuls.</param>
    /// <param name="memory">The model's working memory.</param>
    /// <param name="key">The shape of its batches.</param>
    /// <param name="operations">What it does.</param>
    /// <param name="timed">Whether it takes timestamps after every operation.</param>
    /// <param name="estimate">What cuts it into submissions.</param>
    public static Plan Record(GpuMatmul matmul, ModelMemory memory, PlanKey key, ReadOnlySpan<IOperation> operations, bool timed, WorkEstimate estimate)
    {
        PlanRecorder recorder = new(matmul, memory, key, timed ? operations.Length + 2 : 0, estimate);
        try
        {
            return recorder.Run(operations);
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
    public void Multiply(VulkanInput input, VulkanCodeTable head)
    {
        _matmul.Record(_recorder, head.Matrix, input.Addresses, Key.LogitRows, Memory.Logits.Device, head.Rows);
        _dispatches++;
    }

    /// <summary>Copies the start of one buffer to another.</summary>
    public void Copy(GpuBuffer source, GpuBuffer target, long bytes) => _recorder.Copy(source, 0, target, 0, bytes);

    /// <summary>Copies logits to the host.</summary>
    public void ReadLogits(long count) => Memory.Logits.Record(_recorder, count * sizeof(float));

    /// <summary>Keeps a buffer that only these commands use until they go.</summary>
    public GpuBuffer Keep(GpuBuffer buffer)
    {
        _arguments.Add(buffer);
        return buffer;
    }

    /// <summary>Ends a timed step that serves some of the operations.</summary>
    public void Stamp(string step, Range operations)
    {
        if (_timestamps is not null && _steps.Count < _timestamps.Count)
        {
            _recorder.Timestamp(_timestamps, _steps.Count);
            _steps.Add(new PlanStep(step, operations));
        }
    }

    private Plan Run(ReadOnlySpan<IOperation> operations)
    {
        Memory.Batch.Record(_recorder);
        _recorder.Barrier();
        Stamp("batch", 0..0);
        double work = 0;
        int begun = 0;
        for (int i = 0; i < operations.Length;)
        {
            int first = i;
            double next = _estimate.Nanoseconds(operations[first], Key);
            if (work > 0 && work + next > _estimate.PartNanoseconds)
            {
                _parts.Add(new PlanPart(_recorder.End(), first - begun, work));
                (work, begun) = (0, first);
                _recorder = Gpu.Record();
                _hazards.Clear();
            }

            work += next;
            i += 1 + operations[first].Record(this, operations[(first + 1)..]);
            Stamp(operations[first].Name, first..i);
        }

        _parts.Add(new PlanPart(_recorder.End(), operations.Length - begun, work));
        return new Plan(operations.ToArray(), _parts, _arguments, _dispatches, _timestamps, _steps);
    }

    /// <summary>Gives back what a recording that failed has taken.</summary>
    private void Release()
    {
        _recorder.End().Dispose();
        _parts.ForEach(p => p.Commands.Dispose());
        _timestamps?.Dispose();
        _arguments.ForEach(b => b.Dispose());
    }
}
