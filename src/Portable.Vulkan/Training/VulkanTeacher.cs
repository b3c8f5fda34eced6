using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Blocks;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Training;

/// <summary>A float block on the device that whole sequences pass through, in its checkpoint's element type.</summary>
internal sealed class VulkanTeacher : IBlockTeacher
{
    private readonly VulkanContext _gpu;
    private readonly BlockLayout _layout;
    private readonly int _tokens;
    private readonly TrainingKernels _kernels;
    private readonly Dictionary<BlockSlot, VulkanFloatLinear> _linears = [];
    private readonly Dictionary<BlockSlot, (VulkanMaxima Maxima, GpuBuffer Squares)> _statistics = [];
    private readonly TrainingDeviceBlock _block;
    private readonly TrainingProgram _forward, _observed;
    private readonly GpuBuffer _x, _y;
    private readonly GpuBuffer? _map;
    private long _seen;

    /// <summary>Uploads the block.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="products">Its products.</param>
    /// <param name="profiled">Told each operation and its microseconds, or null.</param>
    /// <param name="block">Float weights.</param>
    /// <param name="tokens">T.</param>
    /// <param name="attention">Whether its attention maps are wanted.</param>
    public VulkanTeacher(VulkanContext gpu, ITrainingProducts products, Action<string, double>? profiled, BlockWeights block, int tokens, bool attention)
    {
        (_gpu, _layout, _tokens, _kernels) = (gpu, block.Layout, tokens, new TrainingKernels(gpu));
        try
        {
            long values = (long)tokens * _layout.Hidden, map = (long)tokens * tokens;
            foreach (BlockSlot slot in _layout.Slots)
            {
                _linears.Add(slot, new VulkanFloatLinear(gpu, [block[slot]]));
            }

            Dictionary<BlockNorm, TrainingVectors> norms = _layout.Norms.ToDictionary(
                n => n, n => new TrainingVectors(_kernels.Allocate(block[n].Gain).Address, block[n].Bias is { } bias ? _kernels.Allocate(bias).Address : 0));
            _block = new TrainingDeviceBlock(gpu, products, _layout, tokens, 16, 16, 0, backward: false);
            (_x, _y) = (_kernels.Allocate(values, MemoryKind.Upload), _kernels.Allocate(values, MemoryKind.Readback));
            GpuBuffer? mean = attention ? _kernels.Allocate(map) : null;
            _map = attention ? _kernels.Allocate(map, MemoryKind.Readback) : null;
            (_forward, _observed) = (new TrainingProgram(gpu, profiled), new TrainingProgram(gpu, profiled));
            foreach (TrainingProgram program in (TrainingProgram[])[_forward, _observed])
            {
                program.Add("window in", 0, r => r.Copy(_x, 0, _block.InputBuffer, 0, 4 * values));
                _block.Forward(program, Linear, n => norms[n]);
                program.Add("window out", 0, r => r.Copy(_block.OutputBuffer, 0, _y, 0, 4 * values));
            }

            foreach (BlockSlot input in BlockStatistics.Inputs)
            {
                Observe(input);
            }

            if (mean is not null)
            {
                _block.MeanAttention(_observed, mean.Address);
                _observed.Add("map out", 0, r => r.Copy(mean, 0, _map!, 0, 4 * map));
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Forward(float[] x, float[] y, bool observed)
    {
        x.CopyTo(_x.AsSpan<float>());
        _gpu.Wait((observed ? _observed : _forward).Run());
        _y.AsSpan<float>()[..y.Length].CopyTo(y);
        _seen += observed ? _tokens : 0;
    }

    /// <inheritdoc/>
    public void ReadAttention(Span<float> triangle)
    {
        ReadOnlySpan<float> map = _map!.AsSpan<float>();
        for (int t = 0; t < _tokens; t++)
        {
            map.Slice(t * _tokens, t + 1).CopyTo(triangle[(t * (t + 1) / 2)..]);
        }
    }

    /// <inheritdoc/>
    public BlockStatistics ReadStatistics()
    {
        BlockStatistics statistics = new(_layout);
        foreach ((BlockSlot input, (VulkanMaxima maxima, GpuBuffer squares)) in _statistics)
        {
            double[] sums = new double[maxima.Size];
            _gpu.Download<double>(squares, sums);
            statistics.Set(input, maxima.Read(), sums, _seen);
        }

        return statistics;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _forward?.Dispose();
        _observed?.Dispose();
        _block?.Dispose();
        foreach (VulkanFloatLinear linear in _linears.Values)
        {
            linear.Dispose();
        }

        foreach ((VulkanMaxima maxima, GpuBuffer _) in _statistics.Values)
        {
            maxima.Dispose();
        }

        _kernels.Dispose();
    }

    private TrainingMatrix Linear(BlockSlot slot)
    {
        FloatMatrix matrix = _linears[slot].Matrices[0];
        return new TrainingMatrix(matrix.Weights.Address, matrix.Table.ShaderType, matrix.Table.Rows, matrix.Table.Columns, matrix.Bias?.Address ?? 0);
    }

    private void Observe(BlockSlot input)
    {
        int columns = _layout.SizeOf(input).Columns;
        ulong x = _block.InputOf(input);
        VulkanMaxima maxima = new(_gpu, columns);
        GpuBuffer squares = _kernels.Zeros(2L * columns);
        _statistics.Add(input, (maxima, squares));
        _observed.Add("statistics", new MaximaShader { Workgroup = 64, Stretch = 64 }, new MaximaPush(x, maxima.Bits.Address, (uint)columns, (uint)_tokens), (columns + 63) / 64, (_tokens + 63) / 64);
        _observed.Add("statistics", new TrainingColumnSquaresShader { Workgroup = 64 }, new TrainingColumnSquaresPush(x, squares.Address, (uint)_tokens, (uint)columns), (columns + 63) / 64);
    }
}
