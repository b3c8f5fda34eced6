using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>A technique with its tiles fixed for one problem: what is dispatched, tested, measured and remembered.</summary>
internal sealed record MatmulPlan
{
    /// <summary>Fixes a technique.</summary>
    /// <param name="technique">Name of the technique.</param>
    /// <param name="label">Technique and tile as text.</param>
    /// <param name="shader">The shader with its tile.</param>
    /// <param name="groupsX">Workgroups along x.</param>
    /// <param name="groupsY">Workgroups along y.</param>
    internal MatmulPlan(string technique, string label, MatmulShader shader, int groupsX, int groupsY) =>
        (Technique, Label, Shader, GroupsX, GroupsY) = (technique, label, shader, groupsX, groupsY);

    /// <summary>Name of the technique.</summary>
    public string Technique { get; }

    /// <summary>Technique and tile as text, for example <c>coopmat 128x128x64/64x64 x2</c>.</summary>
    public string Label { get; }

    /// <summary>The shader with its tile; its <see cref="MatmulShader.Matmul"/> follows from the problem.</summary>
    internal MatmulShader Shader { get; }

    /// <summary>Workgroups along x.</summary>
    public int GroupsX { get; }

    /// <summary>Workgroups along y.</summary>
    public int GroupsY { get; }

    /// <summary>What a self-check must have proved on the device: the technique, and apart from it what workgroups that share outputs compute.</summary>
    public string Proof => Splits > 1 ? Technique + " split" : Technique;

    /// <summary>Workgroups along K.</summary>
    public int Splits { get; init; } = 1;

    /// <summary>What workgroups that share K leave for the last of them.</summary>
    public long ScratchBytes { get; init; }

    /// <summary>Whether a device takes as many workgroups in one dispatch.</summary>
    public bool FitsOn(VulkanDeviceFacts device) => GroupsX <= device.MaximumWorkgroups && GroupsY <= device.MaximumWorkgroups;

    /// <summary>
    /// Records the matmul. One with <see cref="Splits"/> uses scratch memory of its weights: put a barrier between two with the same.
    /// </summary>
    /// <param name="gpu">The device.</param>
    /// <param name="recorder">Where to.</param>
    /// <param name="w">The weights.</param>
    /// <param name="problem">The problem that the kernel was planned for.</param>
    /// <param name="x">Activations of M rows.</param>
    /// <param name="y">Address of the first output.</param>
    /// <param name="yStride">Elements between output rows.</param>
    public void Record(VulkanContext gpu, CommandRecorder recorder, GpuLinear w, MatmulProblem problem, ActivationAddresses x, ulong y, int yStride) =>
        recorder.Dispatch(ShaderFor(problem), w.Arguments(x, problem, y, yStride, w.Scratch(gpu, Technique, ScratchBytes)), GroupsX, GroupsY, Splits);

    /// <summary>Builds the kernel, so that recording it takes no time.</summary>
    /// <returns>What the driver tells of it.</returns>
    internal PipelineStatistics Prepare(VulkanContext gpu, MatmulProblem problem) => gpu.Pipeline(ShaderFor(problem)).Statistics;

    /// <summary>The kernel that a problem takes: planned for several, their shaders may be one.</summary>
    internal MatmulShader ShaderFor(MatmulProblem problem) => Shader with { Matmul = problem.Constants() };
}
