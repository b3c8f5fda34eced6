using BenchmarkDotNet.Attributes;
using Portable.Models;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Benchmarks;

/// <summary>Every row of the kernel table that this process can run, at a decode and a prefill shape. Weights stay in the cache.</summary>
public class MatmulBenchmarks
{
    private const int N = 1024, K = 4096;
    private QuantizedLinear _linear = null!;
    private QuantizedActivations _x = null!;
    private float[] _y = [];

    /// <summary>Kernels that serve every scheme below.</summary>
    public static IEnumerable<string> Kernels => KernelTable.Supported
        .Where(k => Schemes.All(s => KernelTable.Serves(k, new CodeFormat(QuantizationScheme.Parse(s).WeightBits, false), new CodeFormat(8, true), baseFive: false)))
        .Select(k => k.Name);

    /// <summary>Schemes.</summary>
    public static IEnumerable<string> Schemes => ["W2A8", "W4A8", "W8A8"];

    [ParamsSource(nameof(Kernels))]
    public string Kernel { get; set; } = "";

    [ParamsSource(nameof(Schemes))]
    public string Scheme { get; set; } = "";

    [Params(1, 64)]
    public int M { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _linear = SyntheticLinear.Create(N, K, QuantizationScheme.Parse(Scheme));
        _x = new QuantizedActivations(M, _linear.Weights.Layout, _linear.Input.Format, 0);
        var random = new Random(1);
        float[] x = [.. Enumerable.Range(0, M * K).Select(_ => random.NextSingle() - 0.5f)];
        ActivationQuantization.Quantize(x, M, K, _linear.Input, _x);
        _y = new float[M * N];
    }

    [Benchmark]
    public void Multiply() => BitMatmul.Multiply(_x, _linear, _y, N, Kernel);
}
