using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>How a device runs one token through preparation, a matrix and what follows it in one dispatch.</summary>
/// <param name="Shader">The kernel.</param>
/// <param name="Workgroups">Workgroups: each prepares the row once and stays for its share of the tiles.</param>
internal sealed record GemvPlan(GemvShader Shader, int Workgroups)
{
    private const int MostDepth = 8, UnknownProcessors = 64;

    /// <summary>Plans a product, or gives null where preparation, matrix or device ask for what the kernel has not.</summary>
    /// <param name="device">The device.</param>
    /// <param name="w">The matrix.</param>
    /// <param name="input">How its row is quantized.</param>
    /// <param name="norm">The norm before, or null.</param>
    /// <param name="finish">What becomes of the products.</param>
    /// <param name="activation">The activation, where there is one.</param>
    /// <param name="gated">Whether the row is what the activation makes of gate and up.</param>
    public static GemvPlan? For(VulkanDeviceFacts device, GpuLinear w, VulkanInput input, VulkanNorm? norm, GemvFinish finish, ActivationKind activation = default, bool gated = false)
    {
        if (Row(w, input) is not { } row || !device.DotProduct
            || (norm is not null && (norm.Source != PrepareSource.RmsNorm || norm.Width != row.Columns))
            || (finish == GemvFinish.Gate && w.Rows % (2 * GpuLinear.TileRows) != 0))
        {
            return null;
        }

        // A workgroup of 1,024 has a processor to itself, and 64 registers an invocation; wide codes take two of 512. Groups leave
        // sums in shared memory, which has no room for two.
        MatmulProblem problem = w.Problem(1);
        int[] slices = device.Kind == VulkanDeviceKind.Cpu ? [4] : problem.GroupBlocks != 0 ? [32] : problem.Weights.Bits > 6 ? [16, 8] : [32, 16, 8];
        return slices.Where(s => s * GpuLinear.TileRows <= DeviceBudget.For(device).DotInvocations)
            .SelectMany(s => finish == GemvFinish.Gate ? [(Slices: s, Tiles: 2), (s, 1)] : new[] { (Slices: s, Tiles: 1) })
            .Select(s => Plan(device, problem, row, s.Slices, s.Tiles, norm, finish, activation, gated)).FirstOrDefault(p => p is not null);
    }

    private static GemvRow? Row(GpuLinear w, VulkanInput input)
    {
        ActivationQuantizer quantizer = input.Spec.Quantizer!;
        GroupLayout layout = input.Spec.Layout;
        QuantizerSizes sizes = input.Sizes;
        return layout == w.Layout && input.Quads && (input.Scales.Count == 1 || input.Scales.Span == 1) && quantizer.Mode is ActivationMode.Symmetric or ActivationMode.Asymmetric && quantizer.Format.Bits <= 8
            ? new GemvRow(layout.Columns, layout.Blocks, layout.GroupSize, input.Scales.Count > 1, (uint)quantizer.Mode, quantizer.Format.Bits, sizes.InverseLevels)
            : null;
    }

    private static GemvPlan? Plan(VulkanDeviceFacts device, MatmulProblem problem, GemvRow row, int slices, int tiles, VulkanNorm? norm, GemvFinish finish, ActivationKind activation, bool gated)
    {
        bool software = device.Kind == VulkanDeviceKind.Cpu;
        int groupBlocks = problem.GroupBlocks, groups = problem.Layout.Groups;
        int steps = groupBlocks == 0 ? Ceiling(row.RowBlocks, slices) : Ceiling(groups, slices) * groupBlocks;

        // Registers of an invocation for blocks in flight, of the 64 K of a processor.
        int registers = slices > 16 ? 24 : 56, least = Math.Max(groupBlocks, 1), block = 2 * problem.Weights.Bits * tiles, depth = least;
        for (int d = least; d <= Math.Min(steps, MostDepth); d += least)
        {
            // Steps of some slices beyond the end cost no memory, but a turn of the loop each.
            depth = Ceiling(steps, d) * d <= steps + (steps / 8) && d * block <= registers ? d : depth;
        }

        int stage = norm is null ? 64 : Math.Min(Ceiling(row.Columns, 64) * 64, slices > 16 ? 4096 : 2048), parts = groupBlocks == 0 ? slices : groups;
        int shared = (row.RowBlocks * 64) + (2 * parts * tiles * 128) + (norm is null ? 8 : stage * 4) + 128 + (16 * (row.GroupScales ? groups : 1)) + (4 * groups) + (row.GroupScales ? 8 : slices * GpuLinear.TileRows * 2) + 8;
        if (least * block > registers || shared > device.SharedMemoryBytes)
        {
            return null;
        }

        int units = Ceiling(problem.N, GpuLinear.TileRows) / (finish == GemvFinish.Gate ? 2 : 1);
        int workgroups = Math.Min(units, software ? 2 : (device.Processors > 0 ? device.Processors : UnknownProcessors) * Math.Max(1, 32 / slices));
        GemvShader shader = new()
        {
            Matmul = problem.Constants(),
            Invocations = slices * GpuLinear.TileRows,
            Depth = depth,
            Tiles = tiles,
            Row = row,
            Normalized = norm is not null,
            Epsilon = norm?.Epsilon ?? 0,
            Stage = stage,
            Finish = finish,
            Activation = activation,
            Gated = gated,
            Units = units,
            Workgroups = workgroups,
            Early = units <= workgroups ? depth : 0,
            Places = (device.MixedDotProductAccelerated || software) && problem.Weights.Bits is 2 or 4 ? 8 / problem.Weights.Bits : 1,
        };
        return new GemvPlan(shader, workgroups);
    }

    /// <summary>Runs it.</summary>
    /// <param name="plan">Where to.</param>
    /// <param name="push">Its push constants.</param>
    /// <param name="x">What it reads.</param>
    /// <param name="y">What it writes.</param>
    /// <param name="whole">Whether that is all of it.</param>
    public void Record(PlanRecorder plan, MatmulPush push, VulkanActivation x, IDeviceMemory y, bool whole = true)
    {
        const uint Residual = 4, LinkedRow = 16, LinkedResidual = 32, LeavesLinked = 64, LeavesPlain = 128;
        int columns = Shader.Finish == GemvFinish.Gate ? (int)push.N / 2 : (int)push.N;
        if (!whole)
        {
            plan.Order([x], [y]);
        }

        if (!whole || plan.Link(x, y, columns, (push.Flags & Residual) != 0) is not { } places)
        {
            plan.Dispatch(Shader, push, Workgroups);
            return;
        }

        MatmulPush linked = push with { X = places.X ?? push.X, XHighSums = places.Residual ?? push.X, XScales = places.Y ?? push.X, XSums = places.Undone };
        linked.Flags |= (places.X is null ? 0 : LinkedRow) | (places.Residual is null ? 0 : LinkedResidual) | (places.Y is null ? 0 : LeavesLinked) | (places.Plain ? LeavesPlain : 0);
        plan.Dispatch(Shader with { Linked = true }, linked, Workgroups - plan.Absent);
    }

    /// <summary>The push constants.</summary>
    /// <param name="w">The matrix.</param>
    /// <param name="x">Address of the row as f32.</param>
    /// <param name="gain">Address of the norm's gain, or 0.</param>
    /// <param name="y">Address of the first output.</param>
    /// <param name="residual">Whether it is added to.</param>
    public static MatmulPush Push(GpuLinear w, ulong x, ulong gain, ulong y, bool residual) =>
        w.Arguments(new ActivationAddresses(x, gain, x, x, x), w.Problem(1, residual), y, w.Rows, x);

    private static int Ceiling(int count, int of) => (count + of - 1) / of;
}
