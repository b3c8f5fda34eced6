using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Calibration;

/// <summary>
/// Descent on scales and codes, as <see cref="Reference.Algorithms.Baselines.CodeDescent"/> has it: the systems of the scales for some rows at a time, as
/// each needs H times the levels of every group; then codes, 64 columns at a time.
/// </summary>
internal static class CodeDescentSteps
{
    private const long LeastImageBytes = 1L << 27, MostImageBytes = 1L << 30;
    private const int Panel = ColumnsShader.Width;

    /// <summary>Runs it.</summary>
    /// <param name="work">Where to.</param>
    /// <param name="slice">Weights, levels and grids.</param>
    /// <param name="hessian">H, K×K, both triangles.</param>
    /// <param name="lambda">What is added to its diagonal, in device memory.</param>
    /// <param name="rounds">Turns of scales and codes.</param>
    /// <param name="scales">What scales are rounded to.</param>
    public static void Run(Submissions work, WeightSlice slice, GpuBuffer hessian, ulong lambda, int rounds, ScaleFormat scales)
    {
        if (rounds == 0)
        {
            return;
        }

        int size = slice.Layout.Columns, groups = slice.Layout.Groups, group = slice.Layout.GroupSize;
        int chunk = (int)Math.Clamp(Math.Clamp(work.Gpu.FreeBytes / 8, LeastImageBytes, MostImageBytes) / (8L * groups * size), 1, slice.Rows);
        uint n = (uint)slice.Rows, k = (uint)size;
        ulong residuals = slice.A.Address, gradients = slice.B.Address;
        bool halves = scales == ScaleFormat.Half;
        DoubleUpdateShader update = DoubleMoves.Update(work.Gpu), damped = update with { Added = true, Damped = true };
        GpuBuffer images = slice.Keep(8L * chunk * groups * size), normal = slice.Keep(8L * chunk * groups * groups), right = slice.Keep(8L * chunk * groups), trial = slice.Keep(16L * chunk * size);
        DescentPush push = new(
            slice.Weights.Address, residuals, gradients, slice.Levels.Address, slice.Grids.Address, images.Address, normal.Address, right.Address, trial.Address, 0, n, k, (uint)group, (uint)groups);
        work.Run(r => r.Dispatch(new DescentShader { Step = DescentStep.Residuals }, push, slice.Rows), 3.0 * n * k);
        slice.Clear(work, slice.B);
        work.Update(damped, new DoubleUpdatePush(residuals, hessian.Address, gradients, n, k, k, k, k, k, lambda));
        for (int round = 0; round < rounds; round++)
        {
            for (int start = 0; start < slice.Rows; start += chunk)
            {
                int first = start, rows = Math.Min(chunk, slice.Rows - start);
                DescentPush part = push with { FirstRow = (uint)first, Rows = (uint)rows };
                work.Update(damped with { Group = group }, new DoubleUpdatePush(
                    slice.Levels.Address + (8ul * (ulong)first * k), hessian.Address, images.Address, (uint)rows, k, k, k, k, (uint)(groups * size), lambda));
                work.Run(r => r.Dispatch(new DescentShader { Step = DescentStep.System }, part, rows, groups), 4.0 * rows * groups * size);
                work.Run(r => r.Dispatch(new DescentShader { Step = DescentStep.Solve }, part, rows), 10.0 * rows * groups * groups * groups);
                work.Run(r => r.Dispatch(new DescentShader { Step = DescentStep.Apply, Halves = halves }, part, rows), 4.0 * rows * groups * size);
            }

            Recode(work, slice, update, hessian, lambda);
        }
    }

    /// <summary>Every code to its best value in turn.</summary>
    private static void Recode(Submissions work, WeightSlice slice, DoubleUpdateShader update, GpuBuffer hessian, ulong lambda)
    {
        int size = slice.Layout.Columns;
        uint n = (uint)slice.Rows, k = (uint)size;
        ulong gradients = slice.B.Address;
        ColumnsShader shader = new() { Descent = true };
        for (int first = 0; first < size; first += Panel)
        {
            int width = Math.Min(Panel, size - first), behind = first + width;
            ColumnsPush push = new(
                gradients, hessian.Address, slice.Changes.Address, slice.Levels.Address, slice.Grids.Address, slice.A.Address, 0, lambda, n, k, (uint)first, (uint)width, (uint)slice.Layout.GroupSize, (uint)slice.Layout.Groups);
            work.Run(r => r.Dispatch(shader, push, (slice.Rows + ColumnsShader.Rows - 1) / ColumnsShader.Rows), 100.0 * n * Panel);
            ulong rows = hessian.Address + (8ul * (ulong)first * k);
            if (first > 0)
            {
                work.Update(update, new DoubleUpdatePush(slice.Changes.Address, rows, gradients, n, (uint)first, (uint)width, Panel, k, k));
            }

            if (behind < size)
            {
                ulong offset = 8ul * (ulong)behind;
                work.Update(update, new DoubleUpdatePush(slice.Changes.Address, rows + offset, gradients + offset, n, (uint)(size - behind), (uint)width, Panel, k, k));
            }
        }
    }
}
