using System.Diagnostics;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Reference.Benchmarking;

/// <summary>A product of f32 matrices on the CPU.</summary>
/// <param name="Product">forward (x·wᵀ), dX (dy·w) or dW (dyᵀ·x).</param>
/// <param name="M">Rows.</param>
/// <param name="N">Columns.</param>
/// <param name="K">Summands of each.</param>
/// <param name="Seconds">Time of one.</param>
/// <param name="Fraction">Part of the fused multiply-adds that the same threads reach from registers.</param>
internal sealed record FloatProductRate(string Product, int M, int N, int K, double Seconds, double Fraction)
{
    /// <summary>Operations per second, two a multiply-add.</summary>
    public double Rate => 2.0 * M * N * K / Seconds;
}

/// <summary>
/// The three products of training as fractions of the fused multiply-adds that the same process reaches from registers. Peak and product
/// alternate and the best of each counts, so that the ratio survives a machine that others use too: on one thread per second of processor time, on
/// several, whose time is counted too coarsely, per second of the clock.
/// </summary>
internal static class FloatProductRates
{
    /// <summary>Measures a layer.</summary>
    /// <param name="tokens">M.</param>
    /// <param name="outputs">N.</param>
    /// <param name="inputs">K.</param>
    /// <param name="cancellation">Stops between products.</param>
    public static IReadOnlyList<FloatProductRate> Measure(int tokens, int outputs, int inputs, CancellationToken cancellation = default)
    {
        const double Work = 2e11;
        double operations = 2.0 * tokens * outputs * inputs, peak = 0;
        Random random = new(1);
        float[] x = Fill(random, tokens * inputs), w = Fill(random, outputs * inputs), y = Fill(random, tokens * outputs), dw = new float[outputs * inputs];
        (string Name, int M, int N, int K, Action Run)[] products =
        [
            ("forward", tokens, outputs, inputs, () => FloatGemm.Multiply(x, w, y, tokens, outputs, inputs)),
            ("dX", tokens, inputs, outputs, () => FloatGemm.MultiplyNN(y, w, x, tokens, inputs, outputs)),
            ("dW", outputs, inputs, tokens, () => FloatGemm.MultiplyTN(y, x, dw, outputs, inputs, tokens)),
        ];
        double[] best = [.. products.Select(_ => double.PositiveInfinity)];
        for (int round = (int)Math.Clamp(Work / operations, 5, 30); round > 0; round--)
        {
            cancellation.ThrowIfCancellationRequested();
            peak = Math.Max(peak, Peak());
            for (int i = 0; i < products.Length; i++)
            {
                Array.Fill(y, 0.01f);
                Array.Fill(x, 0.01f);
                best[i] = Math.Min(best[i], Seconds(products[i].Run));
            }
        }

        return [.. products.Select((p, i) => new FloatProductRate(p.Name, p.M, p.N, p.K, best[i], operations / best[i] / peak))];
    }

    private static double Peak()
    {
        const long Loops = 250_000;
        return 2.0 * Loops * RegisterLoops.FloatsPerRound * WorkerPool.Threads / Seconds(() => WorkerPool.Run(WorkerPool.Threads, _ => RegisterLoops.Float(Loops, fused: true)));
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
