using BenchmarkDotNet.Attributes;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Benchmarks;

/// <summary>What FlattenQuant costs at run time: quantizing, splitting and packing an input of 512 tokens, beside the product that reads it.</summary>
public class FlattenBenchmarks
{
    private const int M = 512, N = 4096, K = 4096;
    private QuantizedLinear _linear = null!;
    private QuantizedActivations _codes = null!;
    private float[] _x = [], _y = [];

    /// <summary>The compact product of wide codes, or the expanded one of 4-bit digits.</summary>
    [Params(true, false)]
    public bool Compact { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Random random = new(1);
        int[] parts = [.. Enumerable.Range(0, K).Select(j => j % 8 == 0 ? 2 : 1)];
        FlattenPlan plan = FlattenPlan.WithParts(4, 1f / 8, [1f / 64], parts, [.. parts.Reverse()]);
        short[] weights = [.. Enumerable.Range(0, N * K).Select(i => (short)random.Next(-7, 8))];
        FlattenedLinear layer = new(plan, 0, N, weights);
        _linear = Compact ? layer.Compact(null) : layer.Expanded(null);
        _x = [.. Enumerable.Range(0, M * K).Select(_ => (float)(random.NextDouble() * 2 - 1))];
        _codes = new QuantizedActivations(M, _linear.Weights.Layout, _linear.Input.Format, 0);
        _y = new float[M * N];
        Quantize();
    }

    [Benchmark]
    public void Quantize() => ActivationQuantization.Quantize(_x, M, K, _linear.Input, _codes);

    [Benchmark(Baseline = true)]
    public void Multiply() => BitMatmul.Multiply(_codes, _linear, _y, N);
}
