using Portable.Execution;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;

namespace Portable.Vulkan.Model;

/// <summary>Turns a list of operations into commands, once per batch shape: chooses kernels, fuses neighbours, sets barriers.</summary>
internal sealed class PlanRecorder
{
    private readonly VulkanContext _gpu;
    private readonly GpuMatmul _matmul;
    private readonly ModelMemory _memory;
    private readonly PlanKey _key;
    private readonly CommandRecorder _recorder;
    private readonly Hazards _hazards = new();
    private readonly List<GpuBuffer> _arguments = [];
    private readonly List<PlanStep> _steps = [];
    private readonly TimestampPool? _timestamps;
    private int _dispatches;

    private PlanRecorder(GpuMatmul matmul, ModelMemory memory, PlanKey key, int timestamps)
    {
        (_gpu, _matmul, _memory, _key) = (matmul.Gpu, matmul, memory, key);
        _timestamps = timestamps > 0 ? _gpu.CreateTimestamps(timestamps) : null;
        _recorder = _gpu.Record();
    }

    /// <summary>Records a forward pass.</summary>
    public static Plan Record(GpuMatmul matmul, ModelMemory memory, PlanKey key, ReadOnlySpan<Operation> operations, bool timed)
    {
        PlanRecorder recorder = new(matmul, memory, key, timed ? operations.Length + 2 : 0);
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

    /// <summary>Gives back what a recording that failed has taken.</summary>
    private void Release()
    {
        _recorder.End().Dispose();
        _timestamps?.Dispose();
        _arguments.ForEach(b => b.Dispose());
    }

    private Plan Run(ReadOnlySpan<Operation> operations)
    {
        _memory.Batch.Record(_recorder);
        _recorder.Barrier();
        Stamp("batch", 0..0);
        for (int i = 0; i < operations.Length; i++)
        {
            int first = i;
            Operation operation = operations[i];
            switch (operation.Kind)
            {
                case OperationKind.Embed:
                    Embed(operation);
                    break;
                case OperationKind.Normalize or OperationKind.Prepare or OperationKind.Gate or OperationKind.Relu:
                    Prepare(operation);
                    break;
                case OperationKind.Linear or OperationKind.LinearResidual:
                    Linear(operation);
                    break;
                case OperationKind.Attention:
                    // A decode step quantizes the attended row in the same dispatch where nothing else reads it.
                    bool fuses = _key.SingleTokens && i + 1 < operations.Length
                        && operations[i + 1].Kind == OperationKind.Prepare && operations[i + 1].Source == operation.Target
                        && (i + 2 == operations.Length || operations[i + 2].Kind != OperationKind.Prepare);
                    if (fuses)
                    {
                        Decode(operation, (VulkanInput)operations[++i].Target!);
                    }
                    else
                    {
                        Attend(operation);
                    }

                    break;
                case OperationKind.Logits:
                    Logits(operation);
                    break;
            }

            Stamp(operation.Kind.ToString(), first..(i + 1));
        }

        return new Plan(operations.ToArray(), _recorder.End(), _arguments, _dispatches, _timestamps, _steps);
    }

    private void Embed(Operation operation)
    {
        VulkanTable table = (VulkanTable)operation.Weights!;
        VulkanTable? positions = (VulkanTable?)operation.Other;
        VulkanActivation x = (VulkanActivation)operation.Target!;
        Order([], [x]);
        ComputePipeline pipeline = Pipeline<EmbedConstants>("embed", [128, table.ShaderType, positions?.ShaderType ?? VulkanTable.NoTable]);
        EmbedConstants constants = new(_memory.Batch.Rows, table.Buffer.Address, positions?.Buffer.Address ?? 0, x.Address, (uint)x.Columns, (uint)operation.Number);
        Dispatch(pipeline, constants, (x.Columns + 127) / 128, _key.Rows);
    }

    private void Prepare(Operation operation)
    {
        VulkanActivation x = (VulkanActivation)operation.Source!;
        VulkanInput input = (VulkanInput)operation.Target!;
        VulkanNorm? norm = operation.Weights as VulkanNorm;
        Order([x], [input]);
        int columns = operation.Kind == OperationKind.Gate ? x.Columns / 2 : x.Columns;
        PrepareConstants constants = PrepareConstants(x, norm, columns) with { Map = input.Map, Prepared = input.Addresses, Quantizer = input.Sizes };
        uint source = operation.Kind switch
        {
            OperationKind.Gate => 3,
            OperationKind.Relu => 4,
            _ => norm is null ? 0u : norm.Biased ? 2u : 1u,
        };
        int parts = operation.Kind == OperationKind.Gate ? _memory.GateParts(_key.Rows) : 1;
        if (parts > 1)
        {
            Order([], [_memory.Finished, _memory.Gated]);
            constants = constants with { Selection = _memory.Finished.Address, Output = _memory.Gated.Address };
        }

        uint[] special = [_memory.PrepareWorkgroup, .. input.Specialization(_memory.PrepareWorkgroup), source, 0, norm is null ? 64u : _memory.Stage(columns), (uint)parts];
        Dispatch(Pipeline<PrepareConstants>("prepare", special), constants, _key.Rows, parts);
    }

    private static PrepareConstants PrepareConstants(VulkanActivation x, VulkanNorm? norm, int columns) => new()
    {
        Source = x.Address,
        Norm = norm?.Buffer.Address ?? 0,
        SourceColumns = (uint)columns,
        InverseColumns = 1f / columns,
        Epsilon = norm?.Epsilon ?? 0,
    };

    private void Linear(Operation operation)
    {
        VulkanInput input = (VulkanInput)operation.Source!;
        VulkanLinear linear = (VulkanLinear)operation.Weights!;
        VulkanActivation y = (VulkanActivation)operation.Target!;
        bool residual = operation.Kind == OperationKind.LinearResidual;

        // Neighbouring layers write different columns of one activation: only the first waits for its readers.
        Order([input], residual || operation.Number == 0 ? [y] : []);
        foreach ((GpuLinear matrix, int column) in linear.Matrices)
        {
            ulong first = y.Address + ((ulong)(operation.Number + column) * sizeof(float));
            _matmul.Record(_recorder, matrix, input.Addresses, _key.Rows, first, y.Columns, residual);
            _dispatches++;
        }
    }

    private void Attend(Operation operation)
    {
        AttentionCall call = new(_gpu, _memory, operation);
        Order([call.QueryKeyValue, call.Rotary], [call.Cache, _memory.Queries, call.Half ? call.QueryKeyValue : null]);
        const int HeadsAtOnce = 4;
        int slots = call.Heads + (2 * call.Cache.Shape.KeyValueHeads);
        Dispatch(call.AppendPipeline, call.AppendConstants, (slots + HeadsAtOnce - 1) / HeadsAtOnce, _key.Rows);
        Order([call.Cache, _memory.Queries, call.QueryKeyValue], [call.Target]);
        if (call.Half)
        {
            Dispatch(call.HalfPipeline, call.HalfConstants, call.Heads, _key.Tiles);
        }
        else
        {
            Dispatch(call.IntegerPipeline(_key.Matrices), call.IntegerConstants, call.Heads, _key.Tiles);
        }
    }

    private void Decode(Operation operation, VulkanInput input)
    {
        AttentionCall call = new(_gpu, _memory, operation);
        GpuBuffer rowQuantizer = _gpu.Allocate<RowQuantizerConstants>([new(input.Map, input.Addresses, input.Sizes)]);
        _arguments.Add(rowQuantizer);
        DecodeConstants constants = call.DecodeConstants(rowQuantizer.Address, _key.Rows, _key.Stretches);
        if (_key.Stretches == 1)
        {
            Order([call.QueryKeyValue, call.Rotary], [call.Cache, call.Target, input, _memory.Finished]);
            Dispatch(call.DecodePipeline(input, DecodePart.All), constants, call.Heads, _key.Rows);
            return;
        }

        Order([call.QueryKeyValue, call.Rotary], [call.Cache, _memory.Stretches]);
        Dispatch(call.DecodePipeline(input, DecodePart.Scores, _key.Stretches), constants, call.Heads, _key.Rows, _key.Stretches);
        Order([call.Cache], [_memory.Stretches, call.Target, input, _memory.Finished]);
        Dispatch(call.DecodePipeline(input, DecodePart.Sums, _key.Stretches), constants, call.Heads, _key.Rows, _key.Stretches);
    }

    private void Logits(Operation operation)
    {
        VulkanActivation x = (VulkanActivation)operation.Source!;
        VulkanNorm norm = (VulkanNorm)operation.Weights!;
        VulkanTable head = (VulkanTable)operation.Other!;
        uint words = (uint)(x.Columns + 3) / 4;
        Order([x], [_memory.Hidden]);
        PrepareConstants constants = PrepareConstants(x, norm, x.Columns) with
        {
            Selection = _memory.Batch.Selection,
            Output = _memory.Hidden.Address,
            Quantizer = new QuantizerConstants { Columns = (uint)x.Columns, GroupColumns = (uint)x.Columns, RowWords = words, Groups = 1, Scales = 1 },
        };
        uint[] special =
        [
            _memory.PrepareWorkgroup, 3, 8, 0, 1, words, x.Columns % 4 == 0 ? 1u : 0u, VulkanInput.HeldWords(words, _memory.PrepareWorkgroup),
            norm.Biased ? 2u : 1u, 1, _memory.Stage(x.Columns), 1,
        ];
        Dispatch(Pipeline<PrepareConstants>("prepare", special), constants, _key.LogitRows);
        Stamp("FinalNorm", 0..0);

        Order([_memory.Hidden], [_memory.Logits]);
        int tokens = _key.LogitRows >= 4 ? 4 : 1;
        HeadConstants headConstants = new(_memory.Hidden.Address, head.Buffer.Address, _memory.Logits.Device, (uint)head.Columns, (uint)head.Rows, (uint)_key.LogitRows, 0);
        const int Workgroup = 128, RowsEach = 2, Ahead = 4;
        ComputePipeline pipeline = Pipeline<HeadConstants>("head", [Workgroup, head.ShaderType, RowsEach, (uint)tokens, Ahead, head.Wide ? 1u : 0u]);
        const int RowsPerGroup = Workgroup / 8 * RowsEach;
        Dispatch(pipeline, headConstants, (head.Rows + RowsPerGroup - 1) / RowsPerGroup, (_key.LogitRows + tokens - 1) / tokens);
        Order([_memory.Logits], []);
        _memory.Logits.Record(_recorder, (long)_key.LogitRows * head.Rows * sizeof(float));
    }

    private unsafe ComputePipeline Pipeline<T>(string shader, uint[] constants)
        where T : unmanaged => _gpu.CreatePipeline(shader, sizeof(T), constants);

    private void Dispatch<T>(ComputePipeline pipeline, in T constants, int x, int y = 1, int z = 1)
        where T : unmanaged
    {
        _recorder.Dispatch(pipeline, constants, x, y, z);
        _dispatches++;
    }

    private void Order(ReadOnlySpan<object?> reads, ReadOnlySpan<object?> writes)
    {
        if (_hazards.Next(reads, writes))
        {
            _recorder.Barrier();
        }
    }

    private void Stamp(string step, Range operations)
    {
        if (_timestamps is not null && _steps.Count < _timestamps.Count)
        {
            _recorder.Timestamp(_timestamps, _steps.Count);
            _steps.Add(new PlanStep(step, operations));
        }
    }
}
