using Portable.Calibration;
using Portable.Execution;
using Portable.Reference.Algorithms.Baselines;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Model;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Calibration;

/// <summary>Σ x·xᵀ on the device, and Cholesky's factor of it: products of whole panels, then the 64 columns of each with their roots and quotients.</summary>
internal sealed class GramSums(VulkanContext gpu, int size) : IGramSums
{
    private const int Panel = InverseFactor.Panel;
    private readonly VulkanSums _sums = new(gpu, size, size);
    private double[]? _diagonal;
    private bool _mirrored;

    public int Size => size;

    /// <summary>K×K; both triangles once a factor has been made.</summary>
    public GpuBuffer Values => _sums.Buffer;

    public void Add(Executor executor, DeviceInput input, int rows)
    {
        (_diagonal, _mirrored) = (null, false);
        ((VulkanExecutor)executor).AddGram(input, _sums);
    }

    public double[] Diagonal()
    {
        if (_diagonal is null)
        {
            _diagonal = new double[size];
            using GpuBuffer diagonal = gpu.Allocate(8L * size);
            gpu.Run(r => DoubleMoves.Record(r, DoubleMove.Diagonal, new DoubleMovePush(Values.Address, diagonal.Address, 0, 0, 1, (uint)size, (uint)size, 0)));
            gpu.Download<double>(diagonal, _diagonal);
        }

        return _diagonal;
    }

    public IColumnFactor Factorise(int[] order, double damping)
    {
        double mean = 0;
        foreach (double x in Diagonal())
        {
            mean += x;
        }

        mean /= size;
        uint k = (uint)size;
        long bytes = 8L * size * size;
        GpuBuffer matrix = gpu.Allocate(bytes);
        try
        {
            using GpuBuffer blocks = gpu.Allocate(8L * size * Panel), panel = gpu.Allocate(8L * size * Panel);
            using GpuBuffer columns = gpu.Allocate<int>(order), add = gpu.Allocate<double>([mean > 0 ? damping * mean : 1]), failure = gpu.Allocate<double>([0, 0]);
            using (Submissions work = new(gpu))
            {
                if (!_mirrored)
                {
                    work.Move(DoubleMove.Mirror, new DoubleMovePush(0, Values.Address, 0, 0, k, k, k, k));
                    _mirrored = true;
                }

                work.Move(DoubleMove.Permute, new DoubleMovePush(Values.Address, matrix.Address, columns.Address, add.Address, k, k, k, k));
                Factorise(work, matrix, blocks, panel, failure);
                Invert(work, matrix, blocks, panel);
            }

            double[] failed = new double[2];
            gpu.Download<double>(failure, failed);
            return failed[0] == 0
                ? new ColumnFactor(gpu, this, order, damping, matrix)
                : throw new ArithmeticException($"The matrix is not positive definite: pivot {failed[1]} in column {failed[0] - 1} of {size}.");
        }
        catch
        {
            matrix.Dispose();
            throw;
        }
    }

    public void Dispose() => _sums.Dispose();

    /// <summary>L in place of the lower triangle, and its blocks on the diagonal.</summary>
    private void Factorise(Submissions work, GpuBuffer matrix, GpuBuffer blocks, GpuBuffer panel, GpuBuffer failure)
    {
        DoublePanelShader shader = new() { Width = Panel };
        for (int start = 0; start < size; start += Panel)
        {
            int first = start, rows = size - first, width = Math.Min(Panel, rows);
            DoubleFinishPush push = new(panel.Address, 0, failure.Address, (uint)first, (uint)width, (uint)rows, (uint)size);
            work.Run(
                r => r.Dispatch(
                    shader,
                    new DoublePanelPush(matrix.Address, panel.Address, (uint)size, (uint)first, (uint)width),
                    Panel / DoublePanelShader.Tile,
                    (rows + DoublePanelShader.Tile - 1) / DoublePanelShader.Tile),
                2.0 * rows * first * width);
            work.Run(r => r.Dispatch(new DoubleFinishShader { Step = FinishStep.Diagonal }, push, 1), 1e7);
            DoubleFinishShader below = new() { Step = FinishStep.Rows };
            work.Run(r => r.Dispatch(below, push, Math.Max(1, (rows - width + below.Workgroup - 1) / below.Workgroup)), 1e7 + (2.0 * rows * width * width));
            ulong target = matrix.Address + (8ul * (ulong)(((long)first * size) + first));
            work.Run(r =>
            {
                DoubleMoves.Record(r, DoubleMove.Copy, new DoubleMovePush(panel.Address, target, 0, 0, (uint)rows, (uint)width, Panel, (uint)size));
                DoubleMoves.Record(r, DoubleMove.Copy, new DoubleMovePush(panel.Address, blocks.Address + (8ul * (ulong)first * Panel), 0, 0, (uint)width, Panel, Panel, Panel));
            });
        }
    }

    /// <summary>L⁻¹ in place of L by forward substitution: rows of L are kept aside while their place receives those of the inverse, and zeros beside them.</summary>
    private void Invert(Submissions work, GpuBuffer matrix, GpuBuffer blocks, GpuBuffer panel)
    {
        DoubleUpdateShader shader = DoubleMoves.Update(gpu) with { Lower = true };
        DoubleFinishShader finish = new() { Step = FinishStep.Inverse };
        for (int start = 0; start < size; start += Panel)
        {
            int first = start, width = Math.Min(Panel, size - first);
            long offset = 8L * first * size;
            ulong rows = matrix.Address + (ulong)offset;
            if (first > 0)
            {
                work.Move(DoubleMove.Copy, new DoubleMovePush(rows, panel.Address, 0, 0, (uint)width, (uint)first, (uint)size, (uint)size));
            }

            work.Run(r => r.Fill(matrix, offset, 8L * width * size, 0));
            if (first > 0)
            {
                work.Update(shader, new DoubleUpdatePush(panel.Address, matrix.Address, rows, (uint)width, (uint)first, (uint)first, (uint)size, (uint)size, (uint)size));
            }

            DoubleFinishPush push = new(blocks.Address + (8ul * (ulong)first * Panel), rows, 0, (uint)first, (uint)width, 0, (uint)size);
            work.Run(r => r.Dispatch(finish, push, (first + width + finish.Workgroup - 1) / finish.Workgroup), 1e7 + (2.0 * width * width * (first + width)));
        }
    }
}
