using System.Runtime.InteropServices;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Benchmarking;

/// <summary>What the device reaches at most, measured in this process.</summary>
/// <param name="StreamBytesPerSecond">Reading memory once.</param>
/// <param name="MatrixOperationsPerSecond">Signed-byte cooperative matrices in registers (2 per multiply-add); 0 without them.</param>
/// <param name="DotOperationsPerSecond">Packed 4×8 dot products, each with an add (8 operations per instruction pair).</param>
/// <param name="BitCountsPerSecond">AND + bitCount + add of 32-bit words.</param>
public sealed record Rooflines(double StreamBytesPerSecond, double MatrixOperationsPerSecond, double DotOperationsPerSecond, double BitCountsPerSecond)
{
    /// <summary>Measures.</summary>
    public static Rooflines Measure(VulkanContext gpu)
    {
        bool software = gpu.Facts.Kind == VulkanDeviceKind.Cpu;
        int groups = software ? 64 : 132 * 16;
        using GpuBuffer sink = gpu.Allocate(256);
        return new Rooflines(MeasureStream(gpu), Matrix(gpu, sink, groups, software), 8 * Peak(gpu, sink, 0, groups, software), Peak(gpu, sink, 1, groups, software));
    }

    /// <summary>Measures <see cref="StreamBytesPerSecond"/> alone.</summary>
    public static unsafe double MeasureStream(VulkanContext gpu)
    {
        bool software = gpu.Facts.Kind == VulkanDeviceKind.Cpu;
        long bytes = software ? 64L << 20 : Math.Min(2L << 30, gpu.Facts.MemoryBytes / 8);
        using GpuBuffer sink = gpu.Allocate(256);
        using GpuBuffer source = gpu.Allocate(bytes);
        gpu.Run(r => r.Fill(source, 0, source.Size, 0x01234567));
        double best = 0;
        foreach ((int groups, uint unroll) in software ? [(64, 4u)] : new[] { (132 * 8, 8u), (132 * 16, 4u), (132 * 32, 4u), (132 * 64, 8u) })
        {
            ComputePipeline kernel = gpu.CreatePipeline("stream", sizeof(StreamArguments), [256, unroll]);
            var arguments = new StreamArguments(source.Address, sink.Address, (uint)(bytes / 16), 0);
            best = Math.Max(best, bytes / Seconds(gpu, r => r.Dispatch(kernel, arguments, groups)));
        }

        return best;
    }

    private static unsafe double Peak(VulkanContext gpu, GpuBuffer sink, uint kind, int groups, bool software)
    {
        const uint Chains = 8;
        uint loops = software ? 200u : 4000u;
        ComputePipeline kernel = gpu.CreatePipeline("peak", sizeof(PeakArguments), [256, kind, Chains]);
        return (double)groups * 256 * loops * Chains / Seconds(gpu, r => r.Dispatch(kernel, new PeakArguments(sink.Address, loops, 0x01030507), groups));
    }

    private static unsafe double Matrix(VulkanContext gpu, GpuBuffer sink, int groups, bool software)
    {
        const uint Chains = 8;
        uint loops = software ? 20u : 2000u;
        double best = 0;
        foreach (CooperativeMatrixShape shape in gpu.Facts.Matrices.Where(s => s.IsSignedByte && !s.Workgroup))
        {
            int subgroups = software ? 1 : 8, size = gpu.Facts.SubgroupSize;
            ComputePipeline kernel = gpu.CreatePipeline("peak_matrix", sizeof(PeakArguments), [(uint)(subgroups * size), (uint)shape.M, (uint)shape.N, (uint)shape.K, Chains], size);
            double operations = 2.0 * groups * subgroups * loops * Chains * shape.M * shape.N * shape.K;
            best = Math.Max(best, operations / Seconds(gpu, r => r.Dispatch(kernel, new PeakArguments(sink.Address, loops, 3), groups)));
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

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct StreamArguments(ulong Source, ulong Sink, uint Vectors, uint Unused);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct PeakArguments(ulong Sink, uint Loops, uint Seed);
}
