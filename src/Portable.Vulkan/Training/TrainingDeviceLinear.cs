using System.Runtime.InteropServices;
using Portable.Models;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Training;

/// <summary>A range of weights as shaders/include/affine.glsl keeps it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct DeviceRange(float Scale, float Reciprocal, float ZeroPoint, float IsFree, float Minimum, float Maximum, float ClipLow, float ClipHigh);

/// <summary>Where a layer's factors and their gradients lie; biases 0 where it has none.</summary>
internal readonly record struct FactorAddresses(ulong Row, ulong Column, ulong Bias, ulong RowLogGradient, ulong ColumnLogGradient, ulong BiasGradient);

/// <summary>
/// A linear layer in training on the device, part for part Portable.Reference's StudentLinear. Its gradient lies in memory that all layers share,
/// so it is used up as soon as it is there: parameters that nothing else reads take their step at once.
/// </summary>
internal sealed class TrainingDeviceLinear : IDisposable
{
    private readonly TrainingKernels _kernels;
    private readonly VulkanFloatLinear _weights;
    private readonly FactorAddresses _factors;
    private readonly BlockWidths _widths;
    private readonly int _rows, _columns, _groupColumns, _groups;
    private readonly GpuBuffer _result, _ranges;
    private DeviceParameters? _low, _high, _rankRow, _rankColumn, _offset;
    private ulong _rowRates;

    /// <summary>Uploads the float weights.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="weights">The float layer.</param>
    /// <param name="widths">Its grid.</param>
    /// <param name="factors">Where its factors lie.</param>
    public TrainingDeviceLinear(VulkanContext gpu, LinearWeights weights, BlockWidths widths, FactorAddresses factors)
    {
        (_kernels, _widths, _factors) = (new TrainingKernels(gpu), widths, factors);
        (_rows, _columns) = (weights.OutputFeatures, weights.Float!.Columns);
        _groupColumns = widths.GroupSize == 0 ? _columns : Math.Min(widths.GroupSize, _columns);
        _groups = (_columns + _groupColumns - 1) / _groupColumns;
        _weights = new VulkanFloatLinear(gpu, [weights with { Bias = null }]);
        try
        {
            _result = _kernels.Allocate((long)_rows * _columns);
            _ranges = _kernels.Allocate(8L * _rows * _groups);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Ŵ and the scaled bias: what the block multiplies.</summary>
    public TrainingMatrix Quantized => new(_result.Address, TableType.Float32, _rows, _columns, _factors.Bias);

    private FloatMatrix Float => _weights.Matrices[0];

    private TransformedWeights Source => new(Float.Weights.Address, _factors.Row, _factors.Column, _rankRow?.Values ?? 0, _rankColumn?.Values ?? 0, _offset?.Values ?? 0);

    /// <summary>Makes the clip factors trainable.</summary>
    public void AddClipping(float[] low, float[] high, float rate) => (_low, _high) = (new DeviceParameters(_kernels, low, rate), new DeviceParameters(_kernels, high, rate));

    /// <summary>Adds a = 0, b = 1.</summary>
    public void AddRankOne(float rate)
    {
        float[] ones = new float[_columns];
        Array.Fill(ones, 1);
        (_rankRow, _rankColumn) = (new DeviceParameters(_kernels, new float[_rows], rate), new DeviceParameters(_kernels, ones, rate));
    }

    /// <summary>Adds D = 0 with a learning rate in units of each row's present step.</summary>
    public void AddOffset(float rate)
    {
        DeviceRange[] ranges = ReadRanges();
        float[] steps = new float[_rows];
        for (int n = 0; n < _rows; n++)
        {
            for (int g = 0; g < _groups; g++)
            {
                steps[n] += ranges[n * _groups + g].Scale / _groups;
            }
        }

        _rowRates = _kernels.Allocate(steps).Address;
        _offset = new DeviceParameters(_kernels, (long)_rows * _columns, rate);
    }

    /// <summary>Largest magnitude of every column of the float weights; what is materialized is lost.</summary>
    public float[] ColumnMaxima()
    {
        VulkanContext gpu = _kernels.Gpu;
        using VulkanMaxima maxima = new(gpu, _columns);
        using TrainingProgram program = new(gpu, null);
        AddWeights(program, quantized: false, codes: false, _result.Address);
        program.Add("maxima", new MaximaShader { Workgroup = 64, Stretch = 64 }, new MaximaPush(_result.Address, maxima.Bits.Address, (uint)_columns, (uint)_rows), (_columns + 63) / 64, (_rows + 63) / 64);
        gpu.Wait(program.Run());
        return maxima.Read();
    }

    /// <summary>Logits of the clip factors of least Σ_k h_k·(W' − Ŵ)².</summary>
    /// <param name="importance">h: mean square of each input channel after smoothing.</param>
    public (float[] Low, float[] High) SearchClipping(float[] importance)
    {
        VulkanContext gpu = _kernels.Gpu;
        int count = _rows * _groups;
        float[] candidates = StudentLinear.ClipCandidates, low = new float[count], high = new float[count];
        using GpuBuffer h = gpu.Allocate<float>(importance), tried = gpu.Allocate<float>(candidates), lowest = gpu.Allocate(4L * count), highest = gpu.Allocate(4L * count);
        using TrainingProgram program = new(gpu, null);
        TrainingClipSearchShader shader = new()
        {
            Workgroup = TrainingKernels.Workgroup(_groupColumns),
            TableType = Float.Table.ShaderType,
            RankOne = _rankRow is not null,
            Offset = _offset is not null,
            HalfScales = _widths.Scales == ScaleFormat.Half,
        };
        TrainingClipSearchPush push = new(
            Source, h.Address, tried.Address, lowest.Address, highest.Address, (uint)_columns, (uint)_groupColumns, (uint)candidates.Length, _widths.WeightLevels, 1f / _widths.WeightLevels);
        program.Add("clip search", shader, push, _groups, _rows);
        gpu.Wait(program.Run());
        gpu.Download<float>(lowest, low);
        gpu.Download<float>(highest, high);
        WorkerPool.Run(_rows, n =>
        {
            for (int at = n * _groups; at < (n + 1) * _groups; at++)
            {
                (low[at], high[at]) = (StudentLinear.Logit(low[at]), StudentLinear.Logit(high[at]));
            }
        });
        return (low, high);
    }

    /// <summary>Logits of the clip factors as published.</summary>
    public (float[] Low, float[] High) PublishedClipping()
    {
        float[] low = new float[_rows * _groups];
        Array.Fill(low, 4);
        return (low, [.. low]);
    }

    /// <summary>Adds W', its ranges and Ŵ from the present parameters.</summary>
    public void Materialize(TrainingProgram program) => AddWeights(program, _widths.WeightLevels > 0, codes: false, _result.Address);

    /// <summary>Adds ∂loss/∂Ŵ from ∂loss/∂ the layer's output and its input, what follows of it, and the step of the layer's own parameters.</summary>
    /// <param name="program">The program.</param>
    /// <param name="products">Its products.</param>
    /// <param name="upstream">∂/∂y, [token × N].</param>
    /// <param name="x">[token × K].</param>
    /// <param name="tokens">T.</param>
    /// <param name="gradient">Room for N × K.</param>
    /// <param name="step">Where the step's factors lie (shaders/training/train_adam.comp).</param>
    /// <param name="rowLogs">Whether ∂loss/∂ln of its row factors is wanted.</param>
    /// <param name="columnLogs">Whether that of its column factors is wanted.</param>
    public void Backward(TrainingProgram program, ITrainingProducts products, ulong upstream, ulong x, int tokens, ulong gradient, ulong step, bool rowLogs, bool columnLogs)
    {
        products.Add(program, "dW products", new ProductOperand(upstream, Columns: true), new ProductOperand(x, Columns: true), gradient, _rows, _columns, tokens);
        if (_factors.BiasGradient != 0)
        {
            TrainingKernels.ColumnSums(program, upstream, null, 0, _factors.BiasGradient, tokens, _rows);
        }

        if (_widths.WeightLevels > 0)
        {
            TrainingWeightsBackwardShader shader = new()
            {
                Workgroup = TrainingKernels.Workgroup(_groupColumns),
                TableType = Float.Table.ShaderType,
                RankOne = _rankRow is not null,
                Offset = _offset is not null,
                Clipped = _low is not null,
            };
            TrainingWeightsBackwardPush push = new(
                Source, _ranges.Address, gradient, _low?.Gradient ?? 0, _high?.Gradient ?? 0, (uint)_columns, (uint)_groupColumns, _widths.WeightLevels, 1f / _widths.WeightLevels);
            program.Add("weights backward", shader, push, _groups, _rows);
        }

        (ulong, TableType) weights = (Float.Weights.Address, Float.Table.ShaderType);
        if (rowLogs || _rankRow is not null)
        {
            TrainingWeightRowsShader shader = new() { Workgroup = TrainingKernels.Workgroup(_columns), TableType = Float.Table.ShaderType, RankOne = _rankRow is not null };
            program.Add(
                "weight rows",
                shader,
                new TrainingWeightRowsPush(gradient, Float.Weights.Address, _factors.Row, _factors.Column, _rankColumn?.Values ?? 0, _factors.RowLogGradient, _rankRow?.Gradient ?? 0, (uint)_columns),
                _rows);
        }

        if (columnLogs)
        {
            TrainingKernels.ColumnSums(program, gradient, weights, _factors.Row, _factors.ColumnLogGradient, _rows, _columns);
        }

        if (_rankColumn is not null)
        {
            TrainingKernels.ColumnSums(program, gradient, null, _rankRow!.Values, _rankColumn.Gradient, _rows, _columns);
        }

        _low?.Step(program, step, 1, _rows * _groups);
        _high?.Step(program, step, 1, _rows * _groups);
        _rankRow?.Step(program, step, 1, _rows);
        _rankColumn?.Step(program, step, 1, _columns);
        _offset?.Step(program, step, _rows, _columns, gradient, _rowRates);
    }

    /// <summary>The codes 0 … levels of the materialized weights with scale and zero point per channel and group.</summary>
    /// <param name="factors">The layer's factors.</param>
    /// <param name="bias">The scaled bias, or null.</param>
    public TrainedLinear Fold(LinearFactors factors, float[]? bias)
    {
        VulkanContext gpu = _kernels.Gpu;
        int words = (_columns + 3) / 4;
        uint[] packed = new uint[_rows * words];
        using (TrainingProgram program = new(gpu, null))
        using (GpuBuffer codes = gpu.Allocate(4L * packed.Length))
        {
            gpu.Run(r => r.Fill(codes, 0, codes.Size, 0));
            AddWeights(program, quantized: true, codes: true, codes.Address);
            gpu.Wait(program.Run());
            gpu.Download<uint>(codes, packed);
        }

        short[] unpacked = new short[_rows * _columns];
        WorkerPool.Run(_rows, n =>
        {
            ReadOnlySpan<byte> row = MemoryMarshal.AsBytes(packed.AsSpan(n * words, words));
            for (int k = 0; k < _columns; k++)
            {
                unpacked[n * _columns + k] = row[k];
            }
        });
        DeviceRange[] ranges = ReadRanges();
        return new TrainedLinear(unpacked, [.. ranges.Select(r => r.Scale)], [.. ranges.Select(r => (byte)r.ZeroPoint)], bias?.ToArray(), [.. factors.Column], [.. factors.Row]);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _kernels.Dispose();
        _weights.Dispose();
    }

    private DeviceRange[] ReadRanges()
    {
        DeviceRange[] ranges = new DeviceRange[_rows * _groups];
        _kernels.Gpu.Download<DeviceRange>(_ranges, ranges);
        return ranges;
    }

    private void AddWeights(TrainingProgram program, bool quantized, bool codes, ulong result)
    {
        TrainingWeightsShader shader = new()
        {
            Workgroup = TrainingKernels.Workgroup(_groupColumns),
            TableType = Float.Table.ShaderType,
            RankOne = _rankRow is not null,
            Offset = _offset is not null,
            Clipped = _low is not null,
            Quantized = quantized,
            Codes = codes,
            HalfScales = _widths.Scales == ScaleFormat.Half,
        };
        float inverse = _widths.WeightLevels == 0 ? 0 : 1f / _widths.WeightLevels;
        TrainingWeightsPush push = new(Source, _low?.Values ?? 0, _high?.Values ?? 0, _ranges.Address, result, (uint)_columns, (uint)_groupColumns, _widths.WeightLevels, inverse);
        program.Add("weights", shader, push, _groups, _rows);
    }
}
