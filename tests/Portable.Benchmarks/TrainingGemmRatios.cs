using System.Diagnostics;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Benchmarking;
using Portable.Reference.Threading;

namespace Portable.Benchmarks;

/// <summary>
/// The three products of training (forward x·wᵀ, gradient of inputs dy·w, gradient of weights dyᵀ·x) as fractions of the fused
/// multiply-adds that the same process reaches from registers. Peak and product alternate and the best of each counts, so that the ratio
/// survives a machine that others use too: on one thread per second of processor time, on several, whose time is counted too coarsely, per second of the clock.
/// </summary>
internal static class TrainingGemmRatios
{
    private const int Tokens = 512, Rounds = 30;

    /// <summary>Measures the shapes of small-llama's and tiny-llama's blocks and of a wide layer, and prints a table.</summary>
    public static void Print()
    {
        Console.WriteLine($"outputs x inputs, 512 tokens, threads: {WorkerPool.Threads}; fraction of the fused peak of x·wᵀ, dy·w, dyᵀ·x");
        foreach ((int n, int k) in new[] { (256, 256), (768, 256), (256, 768), (512, 512), (1408, 512), (512, 1408), (4096, 4096) })
        {
            Random random = new(1);
            float[] x = Fill(random, Tokens * k), w = Fill(random, n * k), y = Fill(random, Tokens * n), dw = new float[n * k];
            double operations = 2.0 * Tokens * n * k;
            Action[] products =
            [
                () => FloatGemm.Multiply(x, w, y, Tokens, n, k),
                () => FloatGemm.MultiplyNN(y, w, x, Tokens, k, n),
                () => FloatGemm.MultiplyTN(y, x, dw, n, k, Tokens),
            ];
            double peak = 0;
            double[] best = new double[products.Length];
            for (int round = 0; round < (n == 4096 ? 10 : Rounds); round++)
            {
                peak = Math.Max(peak, Peak());
                for (int i = 0; i < products.Length; i++)
                {
                    Array.Fill(y, 0.01f);
                    Array.Fill(x, 0.01f);
                    best[i] = Math.Max(best[i], operations / Seconds(products[i]));
                }
            }

            Console.WriteLine(FormattableString.Invariant($"{n,5} x {k,-5} {best[0] / peak,6:P0} {best[1] / peak,6:P0} {best[2] / peak,6:P0}   of {peak / 1e9:F0} GFLOP/s"));
        }
    }

    private static double Peak()
    {
        const int Loops = 250_000;
        return 2.0 * MachineRates.RunFusedMultiplyAdds(1) * Loops * WorkerPool.Threads / Seconds(() => WorkerPool.Run(WorkerPool.Threads, _ => MachineRates.RunFusedMultiplyAdds(Loops)));
    }

    private static double Seconds(Action work)
    {
        TimeSpan before = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        work();
        return (WorkerPool.Threads == 1 ? Environment.CpuUsage.TotalTime - before : Stopwatch.GetElapsedTime(start)).TotalSeconds;
    }

    private static float[] Fill(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
}
