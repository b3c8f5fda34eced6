using System.Diagnostics;
using System.Runtime.Intrinsics;
using Portable.Reference.BitPlanes.Kernels;
using Portable.Reference.Threading;

namespace Portable.Reference.Benchmarking;

/// <summary>
/// What this process can reach on this machine, all threads together: the yardstick of every benchmark. Each is the best of
/// several short runs, so that other work on the machine disturbs it little.
/// </summary>
/// <param name="StreamBytes">Bytes per second of reading memory far larger than the caches.</param>
/// <param name="Int8MultiplyAdds">
/// Multiply-adds per second of bytes by the fastest instruction sequence that .NET offers here, registers only. Where that sums
/// byte pairs in 16 bits, the widening is left out: wide operands need it at every step or every few, and cannot reach this.
/// </param>
/// <param name="Int8Sequence">The kernel whose multiply-add that is.</param>
/// <param name="FusedMultiplyAdds">f32 fused multiply-adds per second.</param>
/// <param name="SeparateMultiplyAdds">f32 multiplications each followed by an addition, rounded separately, per second.</param>
internal sealed record MachineRates(double StreamBytes, double Int8MultiplyAdds, string Int8Sequence, double FusedMultiplyAdds, double SeparateMultiplyAdds)
{
    private const int Runs = 12;

    /// <summary>Measures, in about a second.</summary>
    public static MachineRates Measure()
    {
        (double int8, string sequence) = Int8();
        return new MachineRates(
            Stream(), int8, sequence,
            Rate(static rounds => RegisterLoops.Float(rounds, fused: true), RegisterLoops.FloatsPerRound),
            Rate(static rounds => RegisterLoops.Float(rounds, fused: false), RegisterLoops.FloatsPerRound));
    }

    private static (double Rate, string Name) Int8()
    {
        (double, string) best = default;
        Try<Avx512PairDot, Register512, Vector512<int>>(ref best);
        Try<Avx512WordDot, Register512, Vector512<int>>(ref best);
        Try<AvxVnniDot, Register256, Vector256<int>>(ref best);
        Try<Avx2PairDot, Register256, Vector256<int>>(ref best);
        Try<Avx2WordDot, Register256, Vector256<int>>(ref best);
        Try<Ssse3PairDot, Register128, Vector128<int>>(ref best);
        Try<Sse2WordDot, Register128, Vector128<int>>(ref best);
        Try<NeonDot, Register128, Vector128<int>>(ref best);
        return best.Item2 is null ? (Rate(static rounds => ScalarProducts(rounds), 2), "scalar-bytes") : best;
    }

    private static void Try<TDot, TRegister, V>(ref (double Rate, string Name) best)
        where TDot : struct, IDotOperation<V>
        where TRegister : struct, IRegister<V>
        where V : struct
    {
        if (TDot.IsSupported)
        {
            double rate = Rate(static rounds => RegisterLoops.Dot<TDot, TRegister, V>(rounds), RegisterLoops.MultiplyAddsPerRound<TDot, TRegister, V>());
            best = rate > best.Rate ? (rate, TDot.Name) : best;
        }
    }

    // Two products of codes in one 64-bit multiplication.
    private static double ScalarProducts(long rounds)
    {
        ulong sum = 0, w = (ulong)Environment.TickCount64 & 0x000000FF000000FF;
        for (long i = 0; i < rounds; i++)
        {
            sum += w * (byte)i;
        }

        return sum;
    }

    private static double Rate(Func<long, double> loop, long workPerRound)
    {
        // Rounds for about 4 ms, shorter than a scheduler's time slice.
        // (The first call is left out: it compiles the loop.)
        loop(1);
        long rounds = 1 << 10;
        double best = double.PositiveInfinity;
        while (Math.Min(Seconds(() => loop(rounds)), Seconds(() => loop(rounds))) < 2e-3)
        {
            rounds *= 2;
        }

        for (int run = 0; run < Runs; run++)
        {
            best = Math.Min(best, Seconds(() => WorkerPool.Run(WorkerPool.Threads, _ => loop(rounds))));
        }

        return rounds * workPerRound * WorkerPool.Threads / best;
    }

    // Slices of 24 MB in turn, so that each is long out of the caches when it comes again and a run is about a millisecond.
    private static unsafe double Stream()
    {
        const int Words = 24 << 20, Slices = 8, Parts = 16, Length = Words / Slices / Parts;
        ulong[] memory = GC.AllocateUninitializedArray<ulong>(Words);
        Array.Fill(memory, 1ul);
        double best = double.PositiveInfinity;
        for (int run = 0; run < Runs * Slices; run++)
        {
            int first = run % Slices * Parts;
            best = Math.Min(best, Seconds(() => WorkerPool.Run(Parts, part =>
            {
                fixed (ulong* start = &memory[(first + part) * Length])
                {
                    if (RegisterLoops.Sum(start, Length) != Length)
                    {
                        throw new InvalidOperationException("Memory changed while it was read.");
                    }
                }
            })));
        }

        return (double)Words / Slices * sizeof(ulong) / best;
    }

    private static double Seconds(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
