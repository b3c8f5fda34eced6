using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Benchmarking;
using Portable.Reference.Threading;

namespace Portable.Benchmarks;

/// <summary>
/// The three products of training (forward x·wᵀ, gradient of inputs dy·w, gradient of weights dyᵀ·x) as fractions of the fused
/// multiply-adds that the same process reaches from registers, both per second of processor time. Peak and product alternate and
/// the best of each counts, so that the ratio survives a machine that others use too.
/// </summary>
internal static class TrainingGemmRatios
{
    private const int Tokens = 512, Rounds = 30;

    /// <summary>Measures the shapes of small-llama's and tiny-llama's blocks and of a wide layer, and prints a table.</summary>
    public static void Print()
    {
        if (WorkerPool.Threads > 1)
        {
            // A short product on several threads is over before the system has counted their time: fractions far above 1.
            Console.Error.WriteLine("Set DOTNET_PROCESSOR_COUNT=1: processor time is counted too coarsely for short products on several threads.");
            return;
        }

        Console.WriteLine("outputs x inputs, 512 tokens: fraction of the fused peak of x·wᵀ, dy·w, dyᵀ·x");
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
            for (int round = 0; round < (n == 4096 ? 3 : Rounds); round++)
            {
                peak = Math.Max(peak, Peak());
                for (int i = 0; i < products.Length; i++)
                {
                    Array.Fill(y, 0.01f);
                    Array.Fill(x, 0.01f);
                    TimeSpan start = Environment.CpuUsage.TotalTime;
                    products[i]();
                    best[i] = Math.Max(best[i], operations / (Environment.CpuUsage.TotalTime - start).TotalSeconds);
                }
            }

            Console.WriteLine(FormattableString.Invariant($"{n,5} x {k,-5} {best[0] / peak,6:P0} {best[1] / peak,6:P0} {best[2] / peak,6:P0}   of {peak / 1e9:F0} GFLOP/s a core"));
        }
    }

    private static double Peak()
    {
        TimeSpan start = Environment.CpuUsage.TotalTime;
        double operations = 2.0 * MachineRates.RunFusedMultiplyAdds(250_000);
        return operations / (Environment.CpuUsage.TotalTime - start).TotalSeconds;
    }

    private static float[] Fill(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
}
