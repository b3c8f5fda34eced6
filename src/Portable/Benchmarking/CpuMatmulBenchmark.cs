using System.Diagnostics;
using Portable.Models;
using Portable.Reference.Benchmarking;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Benchmarking;

/// <summary>One measured matmul of the CPU.</summary>
/// <param name="Kernel">The kernel that ran.</param>
/// <param name="Microseconds">The best time of one, epilogue included, activations already quantized.</param>
/// <param name="Tops">10^12 operations per second, two per multiply-add.</param>
/// <param name="Gbps">10^9 bytes of packed weights per second.</param>
/// <param name="Fraction">Of the bound that applies: weights over the read stream, or multiply-adds over the int8 peak, whichever takes longer. Few planes can beat it by popcount.</param>
/// <param name="QuantizeMicroseconds">The best time of quantizing and packing the activations.</param>
internal sealed record CpuMatmulMeasurement(string Kernel, double Microseconds, double Tops, double Gbps, double Fraction, double QuantizeMicroseconds);

/// <summary>Times matmuls on this process's CPU.</summary>
/// <param name="rates">What the process reaches at most.</param>
internal sealed class CpuMatmulBenchmark(MachineRates rates)
{
    /// <summary>Weights rotate over this many bytes, more than any last-level cache of two cores' share.</summary>
    public const long ColdBytes = 192L << 20;

    /// <summary>Measures one shape and scheme.</summary>
    /// <param name="m">Tokens.</param>
    /// <param name="n">Channels.</param>
    /// <param name="k">Columns.</param>
    /// <param name="scheme">The scheme.</param>
    /// <param name="kernel">A kernel by name, or null for the table's choice.</param>
    /// <param name="warm">One copy of the weights, which may stay in a cache.</param>
    /// <param name="cancellation">Stops between runs.</param>
    /// <exception cref="KernelException">There is no such kernel, or it cannot serve.</exception>
    public CpuMatmulMeasurement Measure(int m, int n, int k, QuantizationScheme scheme, string? kernel = null, bool warm = false, CancellationToken cancellation = default)
    {
        QuantizedLinear first = SyntheticLinear.Create(n, k, scheme);
        long bytes = first.Weights.Bytes;
        string name = KernelTable.Select(new MatmulShape(m, n, first.Weights.Layout, first.Weights.Format, first.Input.Format) { BaseFive = first.Weights.BaseFive is not null }, kernel).Name;
        int copies = warm ? 1 : (int)Math.Clamp(ColdBytes / bytes, 1, 4096);
        QuantizedLinear[] layers = [first, .. Enumerable.Range(1, copies - 1).Select(i => SyntheticLinear.Create(n, k, scheme, (ulong)i << 52))];
        float[] source = SyntheticLinear.Inputs(m * k), y = new float[m * n];
        var x = new QuantizedActivations(m, first.Weights.Layout, first.Input.Format, first.Input.GroupSize);
        double best = double.PositiveInfinity, quantize = double.PositiveInfinity;
        long start = Stopwatch.GetTimestamp();
        // At least three runs and a third of a second, the first for warming up; the best is what other work disturbed least.
        for (int run = 0; run < 4 || Stopwatch.GetElapsedTime(start).TotalSeconds < 0.35; run++)
        {
            cancellation.ThrowIfCancellationRequested();
            long begin = Stopwatch.GetTimestamp();
            ActivationQuantization.Quantize(source, m, k, first.Input, x);
            long quantized = Stopwatch.GetTimestamp();
            BitMatmul.Multiply(x, layers[run % copies], y, n, kernel);
            best = run == 0 ? best : Math.Min(best, Stopwatch.GetElapsedTime(quantized).TotalSeconds);
            quantize = run == 0 ? quantize : Math.Min(quantize, Stopwatch.GetElapsedTime(begin, quantized).TotalSeconds);
        }

        double multiplyAdds = (double)m * n * k * (scheme.ActivationBits == 16 ? 2 : 1);
        double bound = Math.Max(bytes / rates.StreamBytes, multiplyAdds / rates.Int8MultiplyAdds);
        return new CpuMatmulMeasurement(name, best * 1e6, 2.0 * m * n * k / best / 1e12, bytes / best / 1e9, bound / best, quantize * 1e6);
    }
}
