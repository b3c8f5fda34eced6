using Portable.Reference.Benchmarking;
using Portable.Reference.Threading;

namespace Portable.Benchmarks;

/// <summary>The three products of training as fractions of the fused peak: <see cref="FloatProductRates"/> over the shapes of this project's models.</summary>
internal static class TrainingGemmRatios
{
    /// <summary>Measures the shapes of small-llama's and tiny-llama's blocks and of a wide layer, and prints a table.</summary>
    public static void Print()
    {
        const int Tokens = 512;
        Console.WriteLine($"outputs x inputs, {Tokens} tokens, threads: {WorkerPool.Threads}; fraction of the fused peak of x·wᵀ, dy·w, dyᵀ·x");
        foreach ((int n, int k) in new[] { (256, 256), (768, 256), (256, 768), (512, 512), (1408, 512), (512, 1408), (4096, 4096) })
        {
            IReadOnlyList<FloatProductRate> rates = FloatProductRates.Measure(Tokens, n, k);
            Console.WriteLine(FormattableString.Invariant($"{n,5} x {k,-5} {rates[0].Fraction,6:P0} {rates[1].Fraction,6:P0} {rates[2].Fraction,6:P0}   of {rates[0].Rate / rates[0].Fraction / 1e9:F0} GFLOP/s"));
        }
    }
}
