using Portable.Calibration;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Calibration;

/// <summary>
/// L⁻¹ on the device, and GPTQ with it: 64 columns at a time are quantized on the host, with the grids and what they do to each
/// other; what they do to all columns still to come is the device's, the columns that are next first, so that the host goes on
/// with those while the device is at the others.
/// </summary>
/// <param name="gpu">The device.</param>
/// <param name="size">K.</param>
/// <param name="order">Column of each position.</param>
/// <param name="inverse">L⁻¹, K×K.</param>
/// <param name="blocks">Its blocks on the diagonal.</param>
internal sealed class ColumnFactor(VulkanContext gpu, int size, int[] order, GpuBuffer inverse, double[][] blocks) : IColumnFactor
{
    private const int Panel = InverseFactor.Panel;

    public void Quantize(float[] weights, int rows, Func<int, int, WeightGrid> grid, short[] codes, Rounding rounding)
    {
        DoubleUpdateShader shader = DoubleMoves.Update(gpu, reversed: true, lower: false);
        long panelBytes = 8L * rows * Panel;
        using GpuBuffer w = gpu.Allocate(8L * rows * size), panel = gpu.Allocate(panelBytes), errors = gpu.Allocate(panelBytes), columns = gpu.Allocate<int>(order);
        using GpuBuffer readback = gpu.Allocate(panelBytes, MemoryKind.Readback);
        using (GpuBuffer source = gpu.Allocate<float>(weights))
        {
            gpu.Run(r => DoubleMoves.Record(r, DoubleMove.Weights, new DoubleMovePush(source.Address, w.Address, columns.Address, 0, (uint)rows, (uint)size, (uint)size, (uint)size)));
        }

        double[] values = new double[rows * Panel], found = new double[rows * Panel];
        CommandList? rest = null;
        try
        {
            int last = (size - 1) / Panel;
            for (int p = last; p >= 0; p--)
            {
                int first = p * Panel, width = Math.Min(Panel, size - first), begin = Math.Max(0, first - Panel);
                if (p == last)
                {
                    using CommandList take = Take(gpu.Record(), w, panel, readback, rows, first, width);
                    gpu.Wait(gpu.Submit(take));
                }

                readback.AsSpan<double>()[..values.Length].CopyTo(values);
                QuantizeBlock(values, found, rows, first, width, blocks[p], grid, codes, rounding);
                if (first == 0)
                {
                    break;
                }

                gpu.Upload<double>(found, errors);
                rest?.Dispose();
                using CommandList next = Take(Compensate(gpu.Record(), shader, w, errors, rows, first, width, begin, first - begin).Barrier(), w, panel, readback, rows, begin, first - begin);
                ulong ticket = gpu.Submit(next);
                rest = begin > 0 ? Compensate(gpu.Record(), shader, w, errors, rows, first, width, 0, begin).End() : null;
                if (rest is not null)
                {
                    gpu.Submit(rest);
                }

                gpu.Wait(ticket);
            }
        }
        finally
        {
            rest?.Dispose();
        }
    }

    public void Dispose() => inverse.Dispose();

    /// <summary>w[:, begin … begin + count − 1] −= errors · rows first + width − 1 … first of L⁻¹.</summary>
    private CommandRecorder Compensate(CommandRecorder recorder, DoubleUpdateShader shader, GpuBuffer w, GpuBuffer errors, int rows, int first, int width, int begin, int count)
    {
        ulong factor = inverse.Address + (8ul * (ulong)(((long)first * size) + begin)), target = w.Address + (8ul * (ulong)begin);
        DoubleMoves.Record(recorder, shader, new DoubleUpdatePush(errors.Address, factor, target, (uint)rows, (uint)count, (uint)width, Panel, (uint)size, (uint)size));
        return recorder;
    }

    private CommandList Take(CommandRecorder recorder, GpuBuffer w, GpuBuffer panel, GpuBuffer readback, int rows, int first, int width)
    {
        DoubleMoves.Record(recorder, DoubleMove.Copy, new DoubleMovePush(w.Address + (8ul * (ulong)first), panel.Address, 0, 0, (uint)rows, (uint)width, (uint)size, Panel));
        return recorder.Barrier().Copy(panel, 0, readback, 0, 8L * rows * Panel).End();
    }

    private void QuantizeBlock(double[] values, double[] errors, int rows, int first, int width, double[] block, Func<int, int, WeightGrid> grid, short[] codes, Rounding rounding) => WorkerPool.Run(rows, row =>
    {
        Span<double> w = values.AsSpan(row * Panel, width);
        for (int j = width - 1; j >= 0; j--)
        {
            int column = order[first + j];
            errors[(row * Panel) + j] = Gptq.Compensate(w[..(j + 1)], block.AsSpan(j * Panel, j + 1), grid(row, column), rounding, out codes[(row * size) + column]);
        }
    });
}
