using Portable.Calibration;
using Portable.Execution;
using Portable.Reference.Algorithms.Baselines;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Model;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Calibration;

/// <summary>
/// Σ x·xᵀ on the device, and Cholesky's factor of it. Products of whole panels are the device's; the 64 columns of a panel, with
/// their roots and quotients, which Vulkan does not promise to round correctly, are the host's.
/// </summary>
internal sealed class GramSums(VulkanContext gpu, int size) : IGramSums
{
    private const int Panel = InverseFactor.Panel;
    private readonly VulkanGram _sums = new(gpu, size);

    public int Size => size;

    public void Add(Executor executor, DeviceInput input, int rows) => ((VulkanExecutor)executor).AddGram(input, _sums);

    public double[] Diagonal()
    {
        double[] values = new double[size];
        using GpuBuffer diagonal = gpu.Allocate(8L * size);
        gpu.Run(r => DoubleMoves.Record(r, DoubleMove.Diagonal, new DoubleMovePush(_sums.Sums.Address, diagonal.Address, 0, 0, 1, (uint)size, (uint)size, 0)));
        gpu.Download<double>(diagonal, values);
        return values;
    }

    public IColumnFactor Factorise(int[] order, double damping)
    {
        double mean = 0;
        foreach (double x in Diagonal())
        {
            mean += x;
        }

        mean /= size;
        long bytes = 8L * size * size;
        GpuBuffer inverse = gpu.Allocate(bytes);
        try
        {
            using GpuBuffer matrix = gpu.Allocate(bytes);
            using GpuBuffer columns = gpu.Allocate<int>(order), add = gpu.Allocate<double>([mean > 0 ? damping * mean : 1]);
            gpu.Run(r => DoubleMoves.Record(r, DoubleMove.Permute, new DoubleMovePush(_sums.Sums.Address, matrix.Address, columns.Address, add.Address, (uint)size, (uint)size, (uint)size, (uint)size)));
            double[][] blocks = Factorise(matrix);
            return new ColumnFactor(gpu, size, order, inverse, Invert(matrix, inverse, blocks));
        }
        catch
        {
            inverse.Dispose();
            throw;
        }
    }

    public void Dispose() => _sums.Dispose();

    /// <summary>L in place of the lower triangle.</summary>
    /// <returns>Its blocks on the diagonal.</returns>
    private double[][] Factorise(GpuBuffer matrix)
    {
        List<double[]> blocks = [];
        double[] values = new double[(long)size * Panel];
        DoublePanelShader shader = new() { Width = Panel };
        using GpuBuffer panel = gpu.Allocate(8L * size * Panel);
        for (int start = 0; start < size; start += Panel)
        {
            int first = start, rows = size - first, width = Math.Min(Panel, rows);
            gpu.Run(r => r.Dispatch(
                shader,
                new DoublePanelPush(matrix.Address, panel.Address, (uint)size, (uint)first, (uint)width),
                Panel / DoublePanelShader.Tile,
                (rows + DoublePanelShader.Tile - 1) / DoublePanelShader.Tile));
            gpu.Download(panel, values.AsSpan(0, rows * Panel));
            InverseFactor.FinishPanel(values, 0, Panel, first, size);
            blocks.Add(values[..(width * Panel)]);
            gpu.Upload<double>(values.AsSpan(0, rows * Panel), panel);
            ulong target = matrix.Address + (8ul * (ulong)(((long)first * size) + first));
            gpu.Run(r => DoubleMoves.Record(r, DoubleMove.Copy, new DoubleMovePush(panel.Address, target, 0, 0, (uint)rows, (uint)width, Panel, (uint)size)));
        }

        return [.. blocks];
    }

    /// <summary>L⁻¹ by forward substitution.</summary>
    /// <returns>Its blocks on the diagonal.</returns>
    private double[][] Invert(GpuBuffer lower, GpuBuffer inverse, double[][] diagonal)
    {
        List<double[]> blocks = [];
        double[] values = new double[(long)size * Panel];
        DoubleUpdateShader shader = DoubleMoves.Update(gpu, reversed: false, lower: true);
        gpu.Run(r => r.Fill(inverse, 0, inverse.Size, 0));
        for (int start = 0; start < size; start += Panel)
        {
            int first = start, width = Math.Min(Panel, size - first);
            long offset = 8L * first * size;
            if (first > 0)
            {
                DoubleUpdatePush push = new(
                    lower.Address + (ulong)offset, inverse.Address, inverse.Address + (ulong)offset, (uint)width, (uint)first, (uint)first, (uint)size, (uint)size, (uint)size);
                gpu.Run(r => DoubleMoves.Record(r, shader, push));
            }

            Span<double> rows = values.AsSpan(0, width * size);
            gpu.Download(inverse, rows, offset);
            InverseFactor.FinishRows(diagonal[first / Panel], values, first, size);
            gpu.Upload<double>(rows, inverse, offset);
            double[] block = new double[width * Panel];
            for (int i = 0; i < width; i++)
            {
                values.AsSpan((i * size) + first, width).CopyTo(block.AsSpan(i * Panel));
            }

            blocks.Add(block);
        }

        return [.. blocks];
    }
}
