using Portable.Calibration;
using Portable.Execution;
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
    private readonly WindowPlace[] _places;
    private readonly int _values;
    private readonly float[] _triangle;
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
            _values = tokens * _layout.Hidden;
            _triangle = new float[attention ? tokens * (tokens + 1) / 2 : 0];
            GpuBuffer? mean = attention ? _kernels.Allocate(map) : null;
            _places = [new WindowPlace(gpu, _kernels, values, map, _block, mean), new WindowPlace(gpu, _kernels, values, map, _block, mean)];
            (_forward, _observed) = (new TrainingProgram(gpu, profiled), new TrainingProgram(gpu, profiled));
            foreach (TrainingProgram program in (TrainingProgram[])[_forward, _observed])
            {
                _block.Forward(program, Linear, n => norms[n]);
            }

            foreach (BlockSlot input in BlockStatistics.Inputs)
            {
                Observe(input);
            }

            if (mean is not null)
            {
                _block.MeanAttention(_observed, mean.Address);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Run(int count, WindowReader read, WindowWriter write, WindowWriter? observe, WindowRows rows, CancellationToken cancellation)
    {
        using OnceLists once = new(_gpu);
        long bytes = sizeof(float) * (long)_values;
        for (int i = 0; i <= count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            WindowPlace place = _places[i % 2];
            if (i < count)
            {
                // Its last window has been written: the other's is on the device meanwhile.
                if (rows.Input(i) is VulkanRows input)
                {
                    once.Run(r => r.Copy(input.Buffer, 0, _block.InputBuffer, 0, bytes));
                }
                else
                {
                    read(i, place.X.AsSpan<float>()[.._values]);
                    place.In.Run();
                }

                (observe is null ? _forward : _observed).Run();
                StoredRows?[] outputs = rows.Outputs(i);
                place.Direct = outputs.All(o => o is VulkanRows);
                if (place.Direct)
                {
                    place.Ticket = once.Run(r =>
                    {
                        foreach (VulkanRows output in outputs.OfType<VulkanRows>())
                        {
                            r.Copy(_block.OutputBuffer, 0, output.Buffer, 0, bytes);
                        }
                    });
                }

                if (!place.Direct || observe is not null)
                {
                    place.Ticket = (observe is null ? place.Out : place.OutWithMap).Run();
                }

                _seen += observe is null ? 0 : _tokens;
            }

            if (i > 0)
            {
                WindowPlace done = _places[(i - 1) % 2];
                _gpu.Wait(done.Ticket);
                if (!done.Direct)
                {
                    write(i - 1, done.Y.AsSpan<float>()[.._values]);
                }

                observe?.Invoke(i - 1, Triangle(done));
            }
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
        foreach (WindowPlace place in _places ?? [])
        {
            place.Dispose();
        }

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

    private ReadOnlySpan<float> Triangle(WindowPlace place)
    {
        if (_triangle.Length > 0)
        {
            ReadOnlySpan<float> map = place.Map!.AsSpan<float>();
            for (int t = 0; t < _tokens; t++)
            {
                map.Slice(t * _tokens, t + 1).CopyTo(_triangle.AsSpan(t * (t + 1) / 2));
            }
        }

        return _triangle;
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

    /// <summary>A window on its way to the device, and what comes of it on its way back.</summary>
    private sealed class WindowPlace : IDisposable
    {
        public WindowPlace(VulkanContext gpu, TrainingKernels kernels, long values, long map, TrainingDeviceBlock block, GpuBuffer? mean)
        {
            (X, Y) = (kernels.Allocate(values, MemoryKind.Readback), kernels.Allocate(values, MemoryKind.Readback));
            Map = mean is null ? null : kernels.Allocate(map, MemoryKind.Readback);
            (In, Out, OutWithMap) = (new TrainingProgram(gpu, null), new TrainingProgram(gpu, null), new TrainingProgram(gpu, null));
            In.Add("window in", 0, r => r.Copy(X, 0, block.InputBuffer, 0, 4 * values));
            Out.Add("window out", 0, r => r.Copy(block.OutputBuffer, 0, Y, 0, 4 * values));
            OutWithMap.Add("window out", 0, r =>
            {
                r.Copy(block.OutputBuffer, 0, Y, 0, 4 * values);
                if (mean is not null)
                {
                    r.Copy(mean, 0, Map!, 0, 4 * map);
                }
            });
        }

        public GpuBuffer X { get; }

        public GpuBuffer Y { get; }

        public GpuBuffer? Map { get; }

        public TrainingProgram In { get; }

        public TrainingProgram Out { get; }

        public TrainingProgram OutWithMap { get; }

        public ulong Ticket { get; set; }

        /// <summary>Whether what came of it is where it goes already.</summary>
        public bool Direct { get; set; }

        public void Dispose()
        {
            In.Dispose();
            Out.Dispose();
            OutWithMap.Dispose();
        }
    }
}
