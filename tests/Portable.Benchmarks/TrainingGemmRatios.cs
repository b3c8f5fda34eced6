using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

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
        const int Steps = 200_000;
        TimeSpan start = Environment.CpuUsage.TotalTime;
        double sum = Vector512.IsHardwareAccelerated ? Wide(Steps) : Narrow(Steps);
        double seconds = (Environment.CpuUsage.TotalTime - start).TotalSeconds;
        GC.KeepAlive(sum);
        return 2.0 * 16 * (Vector512.IsHardwareAccelerated ? Vector512<float>.Count : Vector256<float>.Count) * Steps / seconds;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Wide(int steps)
    {
        Vector512<float> f = Vector512.Create(0.5f), c = Vector512.Create(0.25f);
        Vector512<float> s0 = f, s1 = f, s2 = f, s3 = f, s4 = f, s5 = f, s6 = f, s7 = f, s8 = f, s9 = f, sa = f, sb = f, sc = f, sd = f, se = f, sf = f;
        for (int i = 0; i < steps; i++)
        {
            s0 = Vector512.FusedMultiplyAdd(s0, f, c);
            s1 = Vector512.FusedMultiplyAdd(s1, f, c);
            s2 = Vector512.FusedMultiplyAdd(s2, f, c);
            s3 = Vector512.FusedMultiplyAdd(s3, f, c);
            s4 = Vector512.FusedMultiplyAdd(s4, f, c);
            s5 = Vector512.FusedMultiplyAdd(s5, f, c);
            s6 = Vector512.FusedMultiplyAdd(s6, f, c);
            s7 = Vector512.FusedMultiplyAdd(s7, f, c);
            s8 = Vector512.FusedMultiplyAdd(s8, f, c);
            s9 = Vector512.FusedMultiplyAdd(s9, f, c);
            sa = Vector512.FusedMultiplyAdd(sa, f, c);
            sb = Vector512.FusedMultiplyAdd(sb, f, c);
            sc = Vector512.FusedMultiplyAdd(sc, f, c);
            sd = Vector512.FusedMultiplyAdd(sd, f, c);
            se = Vector512.FusedMultiplyAdd(se, f, c);
            sf = Vector512.FusedMultiplyAdd(sf, f, c);
        }

        return Vector512.Sum(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + sa + sb + sc + sd + se + sf);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Narrow(int steps)
    {
        Vector256<float> f = Vector256.Create(0.5f), c = Vector256.Create(0.25f);
        Vector256<float> s0 = f, s1 = f, s2 = f, s3 = f, s4 = f, s5 = f, s6 = f, s7 = f;
        for (int i = 0; i < 2 * steps; i++)
        {
            s0 = Vector256.FusedMultiplyAdd(s0, f, c);
            s1 = Vector256.FusedMultiplyAdd(s1, f, c);
            s2 = Vector256.FusedMultiplyAdd(s2, f, c);
            s3 = Vector256.FusedMultiplyAdd(s3, f, c);
            s4 = Vector256.FusedMultiplyAdd(s4, f, c);
            s5 = Vector256.FusedMultiplyAdd(s5, f, c);
            s6 = Vector256.FusedMultiplyAdd(s6, f, c);
            s7 = Vector256.FusedMultiplyAdd(s7, f, c);
        }

        return Vector256.Sum(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7);
    }

    private static float[] Fill(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
}
