using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Benchmarking;

/// <summary>What the device reaches at most, measured in this process.</summary>
/// <param name="StreamBytesPerSecond">Reading memory once.</param>
/// <param name="MatrixOperationsPerSecond">Signed-byte cooperative matrices in registers (2 per multiply-add); 0 without them.</param>
/// <param name="DotOperationsPerSecond">Packed 4×8 dot products, each with an add (8 operations per instruction pair).</param>
/// <param name="BitCountsPerSecond">AND + bitCount + add of 32-bit words.</param>
internal sealed record Rooflines(double StreamBytesPerSecond, double MatrixOperationsPerSecond, double DotOperationsPerSecond, double BitCountsPerSecond)
{
    /// <summary>Measures.</summary>
    public static Rooflines Measure(VulkanContext gpu)
    {
        bool software = gpu.Facts.Kind == VulkanDeviceKind.Cpu;
        int groups = software ? 64 : 132 * 16;
        using GpuBuffer sink = gpu.Allocate(256);
        return new Rooflines(MeasureStream(gpu), Matrix(gpu, sink, groups, software), 8 * Peak(gpu, sink, PeakKind.DotProducts, groups, software), Peak(gpu, sink, PeakKind.BitCounts, groups, software));
    }

    /// <summary>Measures <see cref="StreamBytesPerSecond"/> alone.</summary>
    public static double MeasureStream(VulkanContext gpu)
    {
        bool software = gpu.Facts.Kind == VulkanDeviceKind.Cpu;
        long bytes = software ? 64L << 20 : Math.Min(2L << 30, gpu.Facts.MemoryBytes / 8);
        using GpuBuffer sink = gpu.Allocate(256);
        using GpuBuffer source = gpu.Allocate(bytes);
        gpu.Run(r => r.Fill(source, 0, source.Size, 0x01234567));
        double best = 0;
        foreach ((int groups, int unroll) in software ? [(64, 4)] : new[] { (132 * 8, 8), (132 * 16, 4), (132 * 32, 4), (132 * 64, 8) })
        {
            StreamShader shader = new() { Workgroup = 256, Unroll = unroll };
            StreamPush push = new(source.Address, sink.Address, (uint)(bytes / 16));
            best = Math.Max(best, bytes / Seconds(gpu, r => r.Dispatch(shader, push, groups)));
        }

        return best;
    }

    private static double Peak(VulkanContext gpu, GpuBuffer sink, PeakKind kind, int groups, bool software)
    {
        const int Chains = 8;
        uint loops = software ? 200u : 4000u;
        PeakShader shader = new() { Workgroup = 256, Kind = kind, Chains = Chains };
        return (double)groups * shader.Workgroup * loops * Chains / Seconds(gpu, r => r.Dispatch(shader, new PeakPush(sink.Address, loops, 0x01030507), groups));
    }

    private static double Matrix(VulkanContext gpu, GpuBuffer sink, int groups, bool software)
    {
        const int Chains = 8;
        uint loops = software ? 20u : 2000u;
        double best = 0;
        foreach (CooperativeMatrixShape shape in gpu.Facts.Matrices.Where(s => s.IsSignedByte && !s.Workgroup))
        {
            int subgroups = software ? 1 : 8, size = gpu.Facts.SubgroupSize;
            PeakMatrixShader shader = new() { Workgroup = subgroups * size, FM = shape.M, FN = shape.N, FK = shape.K, Chains = Chains, Subgroup = size };
            double operations = 2.0 * groups * subgroups * loops * Chains * shape.M * shape.N * shape.K;
            best = Math.Max(best, operations / Seconds(gpu, r => r.Dispatch(shader, new PeakPush(sink.Address, loops, 3), groups)));
        }

        return best;
    }

    private static double Seconds(VulkanContext gpu, Action<CommandRecorder> record)
    {
        using TimestampPool time = gpu.CreateTimestamps(2);
        CommandRecorder recorder = gpu.Record().Timestamp(time, 0);
        record(recorder);
        using CommandList list = recorder.Timestamp(time, 1).End();
        double best = double.MaxValue;
        for (int i = 0; i < 4; i++)
        {
            time.Reset();
            gpu.Wait(gpu.Submit(list));
            best = Math.Min(best, time.ReadNanoseconds()[1] * 1e-9);
        }

        return best;
    }
}
