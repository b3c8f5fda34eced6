using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>A technique with its tiles fixed for one problem: what is dispatched, tested, measured and remembered.</summary>
/// <param name="Technique">Name of the technique and of its shader.</param>
/// <param name="Label">Technique and tile as text, for example <c>coopmat 128x128x64/64x64 x2</c>.</param>
/// <param name="Constants">Specialization constants from id 7 on.</param>
/// <param name="SubgroupSize">Required subgroup size, 0 for any.</param>
/// <param name="GroupsX">Workgroups along x.</param>
/// <param name="GroupsY">Workgroups along y.</param>
/// <param name="Splits">Workgroups along K.</param>
/// <param name="ScratchBytes">What workgroups that share K leave for the last of them.</param>
public sealed record VulkanKernel(string Technique, string Label, uint[] Constants, int SubgroupSize, int GroupsX, int GroupsY, int Splits = 1, long ScratchBytes = 0)
{
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
    /// <param name="broken">Simulate a wrong driver.</param>
    public void Record(VulkanContext gpu, CommandRecorder recorder, GpuLinear w, MatmulProblem problem, ActivationAddresses x, ulong y, int yStride, bool broken = false)
    {
        recorder.Dispatch(Pipeline(gpu, problem, broken), w.Arguments(x, problem, y, yStride, w.Scratch(gpu, ScratchBytes)), GroupsX, GroupsY, Splits);
    }

    /// <summary>Builds the kernel, so that recording it takes no time.</summary>
    public void Prepare(VulkanContext gpu, MatmulProblem problem) => Pipeline(gpu, problem, broken: false);

    private unsafe ComputePipeline Pipeline(VulkanContext gpu, MatmulProblem problem, bool broken) =>
        gpu.CreatePipeline(Technique, sizeof(MatmulArguments), [.. problem.CommonConstants(broken), .. Constants], SubgroupSize);
}
