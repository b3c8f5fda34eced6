using System.Runtime.CompilerServices;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Calibration;

/// <summary>How much f64 arithmetic a device is given at a time: graphics cards differ by a factor of a hundred.</summary>
internal static class DoubleRate
{
    // Some tenths of a second on a device with a hundred f64 units; software devices have no watchdog.
    private const double Least = 2e10;
    private const double Most = 4e11;
    private const double Seconds = 0.05;
    private static readonly ConditionalWeakTable<VulkanContext, StrongBox<double>> Known = [];

    /// <summary>Operations of one submission that no watchdog minds, measured the first time.</summary>
    public static double MostWork(VulkanContext gpu) => Known.GetValue(gpu, g => new StrongBox<double>(Math.Clamp(Measure(g) * Seconds, Least, Most))).Value;

    /// <summary>Operations per second of a product, or 0 where the device is not asked.</summary>
    private static double Measure(VulkanContext gpu)
    {
        if (gpu.Facts.Kind != VulkanDeviceKind.Discrete || gpu.Facts.TimestampPeriod <= 0)
        {
            return 0;
        }

        const int Side = 2048, K = 128, Rounds = 2;
        DoubleUpdateShader shader = DoubleMoves.Update(gpu);
        int tiles = Side / shader.Tile;
        using GpuBuffer a = gpu.Allocate(8L * Side * K), b = gpu.Allocate(8L * K * Side), c = gpu.Allocate(8L * Side * Side);
        using TimestampPool stamps = gpu.CreateTimestamps(2);
        gpu.Run(r => r.Fill(a, 0, a.Size, 0).Fill(b, 0, b.Size, 0).Fill(c, 0, c.Size, 0));
        double best = stamps.Fastest(gpu, Rounds, r => r.Dispatch(shader, new DoubleUpdatePush(a.Address, b.Address, c.Address, Side, Side, K, K, Side, Side), tiles, tiles));
        return 2.0 * Side * Side * K / best * 1e9;
    }
}
