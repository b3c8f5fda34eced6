using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Calibration;

/// <summary>
/// L⁻¹ on the device, and with it what is done with weights: their correction towards the float model's outputs, the search of grids, GPTQ's columns,
/// 64 at a time, and the descent behind them. Rows are independent, so as many are in work as memory should hold.
/// </summary>
/// <param name="gpu">The device.</param>
/// <param name="sums">H, both triangles.</param>
/// <param name="order">Column of each position.</param>
/// <param name="damping">Part of the mean diagonal that was added to the diagonal.</param>
/// <param name="inverse">L⁻¹, K×K.</param>
internal sealed class ColumnFactor(VulkanContext gpu, GramSums sums, int[] order, double damping, GpuBuffer inverse) : IColumnFactor
{
    private const int Panel = ColumnsShader.Width;
    private const long LeastSliceBytes = 1L << 26, MostSliceBytes = 1L << 29;
    private readonly int _size = sums.Size;

    public void Quantize(LinearWeights linear, WeightCodes codes, ColumnCompensation part)
    {
        // A slice takes some seven matrices of so many bytes.
        int most = (int)Math.Clamp(Math.Clamp(gpu.FreeBytes / 16, LeastSliceBytes, MostSliceBytes) / (8L * _size), Panel, 1 << 15);
        using GpuBuffer columns = gpu.Allocate<int>(order), identity = gpu.Allocate<int>([.. Enumerable.Range(0, _size)]), importance = gpu.Allocate(8L * _size);
        using GpuBuffer lambda = gpu.Allocate<double>([Gptq.Lambda(sums.Diagonal(), damping)]), parts = gpu.Allocate<double>([part.Target, part.Share]);
        for (int first = 0; first < codes.Rows; first += most)
        {
            using WeightSlice slice = new(gpu, linear.Float!, codes, first, Math.Min(most, codes.Rows - first));
            using (Submissions work = new(gpu))
            {
                if (first == 0 && part.Search is not null)
                {
                    work.Move(DoubleMove.Importance, new DoubleMovePush(inverse.Address, importance.Address, 0, 0, 1, (uint)_size, (uint)_size, 0));
                }

                Target(work, slice, part, columns, identity, lambda.Address, parts.Address);
                Columns(work, slice, part, columns, importance);
                CodeDescentSteps.Run(work, slice, sums.Values, lambda.Address, part.Descent, part.Scales);
                slice.RecordCodes(work);
            }

            slice.Read(codes);
        }
    }

    public void Dispose() => inverse.Dispose();

    /// <summary>What is to be quantized, as f32: the weights, or those that come closest to the float model's outputs.</summary>
    private void Target(Submissions work, WeightSlice slice, ColumnCompensation part, GpuBuffer columns, GpuBuffer identity, ulong lambda, ulong parts)
    {
        uint n = (uint)slice.Rows, k = (uint)_size;
        if (part.Cross is not CrossSums cross)
        {
            work.Move(DoubleMove.SingleWeights, new DoubleMovePush(slice.Source.Address, slice.Weights.Address, 0, 0, n, k, k, k), slice.SourceType);
            return;
        }

        DoubleUpdateShader add = DoubleMoves.Update(gpu) with { Added = true };
        ulong a = slice.A.Address, b = slice.B.Address, c = slice.C.Address;
        cross.Mix(work, sums.Values, part.Target == 1 ? 0 : parts);
        work.Move(DoubleMove.Weights, new DoubleMovePush(slice.Source.Address, a, identity.Address, 0, n, k, k, k), slice.SourceType);
        if (part is { Share: > 0, Missing: CrossSums missing })
        {
            ulong rows = missing.Sums.Buffer.Address + (8ul * (ulong)slice.First * k);
            work.Move(DoubleMove.Scale, new DoubleMovePush(rows, b, 0, parts + 8, n, k, k, k));
        }
        else
        {
            slice.Clear(work, slice.B);
        }

        work.Update(add, new DoubleUpdatePush(a, cross.Sums.Buffer.Address, b, n, k, k, k, k, k));
        work.Move(DoubleMove.SolvedFor, new DoubleMovePush(b, c, columns.Address, lambda, n, k, k, k, a));
        DoubleDotShader dot = new();
        int across = (_size + DoubleDotShader.Tile - 1) / DoubleDotShader.Tile;

        // As many rows of tiles at a time as a watchdog should see.
        int step = DoubleDotShader.Tile * Math.Max(1, (int)(2e10 / ((double)_size * _size * DoubleDotShader.Tile)));
        for (int first = 0; first < slice.Rows; first += step)
        {
            int rows = Math.Min(step, slice.Rows - first);
            ulong from = 8ul * (ulong)first * k;
            work.Run(r => r.Dispatch(dot, new DoubleDotPush(c + from, inverse.Address, a + from, (uint)rows, k), across, (rows + DoubleDotShader.Tile - 1) / DoubleDotShader.Tile), (double)rows * k * k);
        }

        slice.Clear(work, slice.B);
        work.Update(add with { Lower = true }, new DoubleUpdatePush(a, inverse.Address, b, n, k, k, k, k, k));
        work.Move(DoubleMove.Single, new DoubleMovePush(b, slice.Weights.Address, columns.Address, 0, n, k, k, k));
    }

    /// <summary>GPTQ: levels of all weights, group after group where grids are searched.</summary>
    private void Columns(Submissions work, WeightSlice slice, ColumnCompensation part, GpuBuffer columns, GpuBuffer importance)
    {
        // Grids of columns are the same for all rows.
        GpuBuffer grids = part.Columns is { } own ? slice.Keep<WeightGrid>(own) : slice.Grids;
        uint group = part.Columns is null ? (uint)slice.Layout.GroupSize : 1, stride = part.Columns is null ? (uint)slice.Layout.Groups : 0;
        uint n = (uint)slice.Rows, k = (uint)_size;
        ulong w = slice.A.Address;
        ColumnsShader shader = new() { Away = part.Rounding == Rounding.HalfAway };
        DoubleUpdateShader compensate = DoubleMoves.Update(gpu) with { Reversed = true };
        work.Move(DoubleMove.Weights, new DoubleMovePush(slice.Weights.Address, w, columns.Address, 0, n, k, k, k));
        for (int end = _size, start; end > 0; end = start)
        {
            start = 0;
            if (part.Search is not null)
            {
                int reached = order[end - 1] / slice.Layout.GroupSize, count = slice.Layout.ColumnsIn(reached);
                start = end - count;
                slice.Search(work, part.Search, w, importance.Address, start, count, reached, groups: 1);
            }

            for (int last = end, first; last > start; last = first)
            {
                int width = Math.Min(Panel, last - start);
                first = last - width;
                ColumnsPush push = new(
                    w, inverse.Address, slice.Changes.Address, slice.Levels.Address, grids.Address, 0, columns.Address, 0, n, k, (uint)first, (uint)width, group, stride);
                work.Run(r => r.Dispatch(shader, push, (slice.Rows + ColumnsShader.Rows - 1) / ColumnsShader.Rows), 100.0 * n * Panel);
                if (first > 0)
                {
                    work.Update(compensate, new DoubleUpdatePush(slice.Changes.Address, inverse.Address + (8ul * (ulong)first * k), w, n, (uint)first, (uint)width, Panel, k, k));
                }
            }
        }
    }
}
