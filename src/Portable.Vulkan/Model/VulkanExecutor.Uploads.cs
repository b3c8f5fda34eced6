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
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Model;

/// <content>What lives on the device from one pass to the next: weights, tables, caches and activations.</content>
internal sealed partial class VulkanExecutor
{
    /// <inheritdoc/>
    /// <exception cref="DeviceException">It cannot run the model; a <see cref="DeviceMemoryException"/> where it has no room.</exception>
    public override void Reserve(IModelSource source, int sequences, int context, PageTable? table)
    {
        if (source.KeyValueBits == 32)
        {
            throw new VulkanException("Unquantized models run on the device cpu only; quantize this one first (Portable.Quantizer).");
        }

        foreach (BlockLayout block in source.Config.Blocks)
        {
            _limits.Require(CacheShape.For(block.Attention, source.KeyValueBits, sequences, context, MaximumRows, table));
        }

        _limits.Require(source.LoadEmbedding());
        foreach (TableWeights? weights in (TableWeights?[])[source.LoadPositions() is { } positions ? new TableWeights(positions) : null, source.LoadHead()])
        {
            if (weights is not null)
            {
                _limits.Require(weights);
            }
        }

        MemoryEstimate estimate = VulkanMemory.Of(source, sequences, context, MaximumRows, table);
        long free = _gpu.FreeBytes;
        if (estimate.Total > free)
        {
            throw new DeviceMemoryException(Name, $"The model needs {estimate}", sequences, context, estimate.Total, free, elsewhere: true);
        }
    }

    /// <inheritdoc/>
    public override DeviceTable Upload(TableWeights weights)
    {
        _limits.Require(weights);
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
        _limits.Require(shape);
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

    private GpuBuffer Keep(GpuBuffer buffer)
    {
        _owned.Add(buffer);
        return buffer;
    }
}
