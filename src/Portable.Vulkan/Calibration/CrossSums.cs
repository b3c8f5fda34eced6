using Portable.Calibration;
using Portable.Execution;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Model;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Calibration;

/// <summary>Σ x·yᵀ on the device.</summary>
internal sealed class CrossSums(VulkanContext gpu, int rows, int columns) : ICrossSums
{
    private bool _mixed;

    /// <summary>The sums, or what layers are to be corrected with once <see cref="Mix"/> has run.</summary>
    public VulkanSums Sums { get; } = new(gpu, rows, columns);

    public void Add(Executor executor, DeviceActivation x, DeviceInput y, int count) => ((VulkanExecutor)executor).AddCross(x, y, Sums);

    /// <summary>Makes them H + part·(C − H), the first time.</summary>
    /// <param name="work">Where to.</param>
    /// <param name="hessian">H, both triangles.</param>
    /// <param name="part">The part, in device memory; 0 = all of it: they stay as they are.</param>
    public void Mix(Submissions work, GpuBuffer hessian, ulong part)
    {
        if (!_mixed && part != 0)
        {
            work.Move(DoubleMove.Mix, new DoubleMovePush(hessian.Address, Sums.Buffer.Address, 0, part, (uint)rows, (uint)columns, (uint)columns, (uint)columns));
        }

        _mixed = true;
    }

    public void Dispose() => Sums.Dispose();
}
