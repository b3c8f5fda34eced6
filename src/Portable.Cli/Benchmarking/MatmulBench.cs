using Portable.Benchmarking;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Reference.Benchmarking;
using Portable.Reference.Quantization;
using Portable.Vulkan;
using Portable.Vulkan.Benchmarking;
using Portable.Vulkan.Engine;

namespace Portable.Cli.Benchmarking;

/// <summary>Times matmuls on a device.</summary>
internal abstract class MatmulBench : IDisposable
{
    /// <summary>The device.</summary>
    public abstract string DeviceName { get; }

    /// <summary>Opens the chosen device.</summary>
    /// <param name="device">What was asked for.</param>
    /// <param name="terminal">Told what to know of the device.</param>
    public static MatmulBench Open(Device device, Terminal terminal) => device is VulkanDevice gpu ? new Gpu(gpu.OpenContext(terminal)) : new Cpu();

    /// <summary>Measures what the device reaches at most; first.</summary>
    public abstract RooflineReport MeasureRoofline();

    /// <summary>Measures one shape and scheme.</summary>
    public abstract BenchMatmulRow Measure(int m, int n, int k, QuantizationScheme scheme, string? kernel, bool warm, bool best, CancellationToken cancellation);

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);

    private sealed class Cpu : MatmulBench
    {
        private readonly Lazy<MachineRates> _rates = new(MachineRates.Measure);

        public override string DeviceName => "cpu";

        public override RooflineReport MeasureRoofline()
        {
            MachineRates r = _rates.Value;
            return new RooflineReport(r.StreamBytes / 1e9, 2 * r.Int8MultiplyAdds / 1e12, r.Int8Sequence, 2 * r.FusedMultiplyAdds / 1e12, 2 * r.SeparateMultiplyAdds / 1e12);
        }

        public override BenchMatmulRow Measure(int m, int n, int k, QuantizationScheme scheme, string? kernel, bool warm, bool best, CancellationToken cancellation)
        {
            CpuMatmulMeasurement r = new CpuMatmulBenchmark(_rates.Value).Measure(m, n, k, scheme, kernel, warm, cancellation);
            return new BenchMatmulRow(r.Kernel, scheme.ToString(), m, n, k, r.Microseconds, r.Tops, r.Gbps, r.Fraction, r.QuantizeMicroseconds, r.QuantizeMicroseconds + r.Microseconds);
        }
    }

    private sealed class Gpu(VulkanContext gpu) : MatmulBench
    {
        private readonly Lazy<Rooflines> _rates = new(() => Rooflines.Measure(gpu));

        public override string DeviceName => $"vulkan:{gpu.Facts.Index} {gpu.Facts.Name}";

        public override RooflineReport MeasureRoofline()
        {
            Rooflines r = _rates.Value;
            return new RooflineReport(r.StreamBytesPerSecond / 1e9, r.MatrixOperationsPerSecond / 1e12, DotTops: r.DotOperationsPerSecond / 1e12, BitCountTops: r.BitCountsPerSecond / 1e12);
        }

        public override BenchMatmulRow Measure(int m, int n, int k, QuantizationScheme scheme, string? kernel, bool warm, bool best, CancellationToken cancellation)
        {
            MatmulMeasurement r = new VulkanMatmulBenchmark(gpu, _rates.Value).Measure(m, n, k, scheme, kernel, warm, best);
            return new BenchMatmulRow(
                r.Kernel, r.Scheme, m, n, k, r.Microseconds, r.Tops, r.Gbps, r.Fraction, r.QuantizeMicroseconds!.Value, r.TotalMicroseconds!.Value,
                r.Best?.Label, r.Best?.Nanoseconds / 1000, r.Microseconds * 1000 / r.Best?.Nanoseconds);
        }

        public override void Dispose()
        {
            gpu.Dispose();
            base.Dispose();
        }
    }
}
