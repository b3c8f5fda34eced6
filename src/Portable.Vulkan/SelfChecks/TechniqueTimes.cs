using System.Diagnostics;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Matmul.Techniques;

namespace Portable.Vulkan.SelfChecks;

/// <summary>
/// The first times of a device: each technique's default kernel on one small layer, for a token, a few and many, as a multiple
/// of what its estimate says. The dispatcher goes by them until <c>bench tune</c> has measured the device: estimates are made
/// for one GPU, and another one may have slow matrices or slow dot products.
/// </summary>
internal static class TechniqueTimes
{
    // Of a layer's K and N. A device too slow for the large one has little to gain from it: what is told apart there is told by the small one.
    private const int Large = 4096, Small = 512;

    // A token against the large layer. Reading its weights so slowly is a fiftieth of what phones' GPUs do.
    private static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(10);

    // An idle device needs tens of milliseconds to reach its clock.
    private static readonly TimeSpan ClockRise = TimeSpan.FromMilliseconds(60);

    /// <summary>Measures.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="check">What is known of it: techniques that failed are out.</param>
    /// <param name="slow">Whether it is too slow for large layers to be worth its time.</param>
    /// <returns>The check with <see cref="SelfCheckResult.Slowness"/> by technique and class of M ("dot 8") and <see cref="SelfCheckResult.Pace"/> by class.</returns>
    public static SelfCheckResult Measure(VulkanContext gpu, SelfCheckResult check, out bool slow)
    {
        bool software = gpu.Facts.Kind == VulkanDeviceKind.Cpu, untimed = gpu.Facts.TimestampPeriod == 0;
        SelfCheckResult? large = untimed ? check : software ? null : Measure(gpu, check, Large, Slow, ClockRise);
        slow = large is null;
        return large ?? Measure(gpu, check, Small, Timeout.InfiniteTimeSpan, software ? TimeSpan.Zero : ClockRise)!;
    }

    /// <summary>Measures on a layer of one size; null where a token takes longer than <paramref name="limit"/>.</summary>
    private static SelfCheckResult? Measure(VulkanContext gpu, SelfCheckResult check, int size, TimeSpan limit, TimeSpan atLeast)
    {
        Dictionary<string, double> slowness = [], pace = [];
        (QuantizedLinear layer, QuantizedActivations x) = SyntheticMatmul.Random(SelfCheckResult.Tokens[^1], size, size, 0, new CodeFormat(4, true), new CodeFormat(8, true), 1);
        using GpuLinear weights = GpuLinear.Upload(gpu, [layer]);
        using GpuActivations activations = GpuActivations.Upload(gpu, x);
        using GpuBuffer y = gpu.Allocate(4L * SelfCheckResult.Tokens[^1] * size);
        (MatmulProblem Problem, (MatmulTechnique Technique, MatmulPlan Kernel)[] Rows)[] sizes = [.. SelfCheckResult.Tokens.Select(tokens => weights.Problem(tokens)).Select(problem => (problem,
            ((MatmulTechnique, MatmulPlan)[])
            [
                .. from technique in MatmulTechniques.Supported(gpu.Facts, problem)
                   where technique is not NaiveTechnique && !check.Failures.ContainsKey(technique.Name)
                   let kernel = technique.Candidates(gpu.Facts, problem).FirstOrDefault(k => !check.Failures.ContainsKey(k.Proof))
                   where kernel is not null
                   select (technique, kernel),
            ]))];
        gpu.BuildAhead(from s in sizes from row in s.Rows select (Action)(() => row.Kernel.Prepare(gpu, s.Problem)));
        foreach ((MatmulProblem problem, (MatmulTechnique Technique, MatmulPlan Kernel)[] rows) in sizes)
        {
            int tokens = problem.M;
            double[] times = Times(gpu, [.. rows.Select(r => r.Kernel)], weights, problem, activations, y, atLeast);
            if (limit != Timeout.InfiniteTimeSpan && tokens == 1 && times.DefaultIfEmpty().Min() > limit.TotalNanoseconds)
            {
                return null;
            }

            double[] ratios = [.. rows.Select((r, i) => times[i] / r.Technique.Estimate(gpu.Facts, problem))];
            for (int i = 0; i < rows.Length; i++)
            {
                slowness[$"{rows[i].Technique.Name} {tokens}"] = ratios[i] / ratios.Min();
                pace[SelfCheckResult.PaceKey(tokens)] = ratios.Min();
            }
        }

        return check with { Slowness = slowness, Pace = pace };
    }

    /// <summary>The least nanoseconds of each kernel over rounds in which all take their turn.</summary>
    private static double[] Times(VulkanContext gpu, MatmulPlan[] kernels, GpuLinear weights, MatmulProblem problem, GpuActivations x, GpuBuffer y, TimeSpan atLeast)
    {
        const int Rounds = 3;
        double[] best = [.. kernels.Select(_ => double.PositiveInfinity)];
        using TimestampPool stamps = gpu.CreateTimestamps(2);
        CommandList[] lists = [.. kernels.Select(kernel =>
        {
            CommandRecorder recorder = gpu.Record().Timestamp(stamps, 0);
            kernel.Record(gpu, recorder, weights, problem, x.Addresses, y.Address, problem.N);
            return recorder.Timestamp(stamps, 1).End();
        })];
        long start = Stopwatch.GetTimestamp();
        for (int round = 0; round < Rounds || Stopwatch.GetElapsedTime(start) < atLeast; round++)
        {
            for (int i = 0; i < lists.Length; i++)
            {
                stamps.Reset();
                gpu.Wait(gpu.Submit(lists[i]));
                best[i] = Math.Min(best[i], stamps.ReadNanoseconds()[1]);
            }
        }

        Array.ForEach(lists, list => list.Dispose());
        return best;
    }
}
