using Portable.Tests.Support;
using Portable.Vulkan.Calibration;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Xunit;

namespace Portable.Tests.Vulkan.Calibration;

/// <summary>Elements of f64 matrices are found beyond 4 GiB.</summary>
[Collection("Vulkan")]
public sealed class ElementAddressTests(VulkanFixture vulkan)
{
    /// <summary>A matrix of 6.1 GiB of which one element exists: it would begin far in front of the buffer that holds it.</summary>
    [SkippableFact]
    public void AnElementBeyondFourGigabytesIsFound()
    {
        const uint Stride = 28_672, Last = Stride - 1;
        VulkanContext gpu = vulkan.Context;
        Skip.IfNot(gpu.Facts.ShaderFloat64, "The device has no f64.");
        using GpuBuffer element = gpu.Allocate<double>([0.75]), moved = gpu.Allocate<double>([0]), order = gpu.Allocate<uint>([Last]), damping = gpu.Allocate<double>([0.5]);
        ulong begin = unchecked(element.Address - (8ul * ((Last * Stride) + Last)));
        using (Submissions work = new(gpu))
        {
            work.Move(DoubleMove.Permute, new DoubleMovePush(begin, moved.Address, order.Address, damping.Address, 1, 1, Stride, 1));
        }

        double[] found = new double[1];
        gpu.Download<double>(moved, found);
        Assert.Equal([1.25], found);
        VulkanFixture.AssertNoValidationMessages();
    }
}
