using System.Diagnostics;
using Portable.Reference.Quantization;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul;

namespace Portable.Vulkan.Benchmarking;

/// <summary>The best of one tuned problem.</summary>
/// <param name="Measurement">The winner.</param>
/// <param name="Candidates">Kernels that were exact and measured.</param>
/// <param name="Wrong">Kernels that gave wrong results, with what was wrong.</param>
public sealed record TunedProblem(MatmulMeasurement Measurement, int Candidates, IReadOnlyList<string> Wrong);

/// <summary>
/// Walks the candidates over shapes and schemes, checks each one's results, and keeps the times. Unattended, within a time
/// limit, most telling problems first; what is on disk already is not measured again, so a second run goes on where the first
/// one stopped.
/// </summary>
public sealed class MatmulTuner(VulkanContext gpu, Rooflines rooflines)
{
    private static readonly (int N, int K)[] s_weights = [(12288, 4096), (4096, 14336), (28672, 8192), (4096, 4096)];
    private static readonly int[] s_tokens = [1, 8, 64, 1024, 16, 512, 32, 4, 2, 8192];
    private static readonly string[] s_schemes = ["W6A6g128", "W4A8", "W2A8", "W8A8", "W6A6", "W4A8g128", "W1A8", "W3A8", "W5A8", "W7A8", "W4A16", "W2A8g128", "W8A8g128"];

    /// <summary>The problems, most telling first.</summary>
    public static IEnumerable<(int M, int N, int K, string Scheme)> Problems(VulkanDeviceFacts device) =>
        device.Kind == VulkanDeviceKind.Cpu
            ? from scheme in s_schemes.Take(3) from m in new[] { 1, 8, 64 } select (m, 256, 512, scheme)
            : from round in new[] { 0, 1, 2 }
              from scheme in s_schemes.Skip(round == 1 ? 4 : 0).Take(round == 0 ? 4 : s_schemes.Length)
              from m in s_tokens
              from weights in round < 2 ? [m == 8192 ? (8192, 8192) : m == 512 ? s_weights[1] : s_weights[0]] : s_weights
              select (m, weights.Item1, weights.Item2, scheme);

    /// <summary>Tunes.</summary>
    /// <param name="limit">Time after which no further problem is begun.</param>
    /// <param name="report">Told each problem's result.</param>
    /// <param name="cancellation">Stops in good order; what is measured is kept.</param>
    /// <returns>Where the table was written, or null where it could not be.</returns>
    public string? Run(TimeSpan limit, Action<TunedProblem> report, CancellationToken cancellation = default)
    {
        var clock = Stopwatch.StartNew();
        TunedChoices table = TunedChoices.Load(gpu.Facts);
        string? path = null;
        foreach ((int m, int n, int k, string text) in Problems(gpu.Facts).Distinct())
        {
            if (clock.Elapsed > limit || cancellation.IsCancellationRequested)
            {
                break;
            }

            QuantizationScheme scheme = QuantizationScheme.Parse(text);
            if (VulkanMatmulBenchmark.IsTuned(table, m, n, k, scheme))
            {
                continue;
            }

            using MatmulWorkload work = VulkanMatmulBenchmark.Workload(gpu, m, n, k, scheme, gpu.Facts.Kind == VulkanDeviceKind.Cpu ? 0 : VulkanMatmulBenchmark.ColdBytes);
            report(Tune(work, text, table));
            path = table.Save();
        }

        return path;
    }

    private TunedProblem Tune(MatmulWorkload work, string scheme, TunedChoices table)
    {
        MatmulProblem p = work.Problem;
        VulkanKernel[] candidates = [.. MatmulTechniques.Supported(gpu.Facts, p)
            .Where(t => t.Name != "naive" && t.Estimate(gpu.Facts, p) < 20 * MatmulTechniques.Supported(gpu.Facts, p).Min(s => s.Estimate(gpu.Facts, p)))
            .SelectMany(t => t.Candidates(gpu.Facts, p).Take(t.Name == "coopmat" ? 40 : 30))];

        // Building kernels is the slow part: do it on every core first.
        Parallel.ForEach(candidates, kernel => kernel.Prepare(gpu, p));
        List<TunedTime> times = [];
        List<string> wrong = [];
        double best = double.MaxValue;
        foreach (VulkanKernel kernel in candidates)
        {
            try
            {
                int mismatches = work.Mismatches(kernel);
                if (mismatches > 0)
                {
                    wrong.Add($"{kernel.Label}: {mismatches} wrong results");
                    continue;
                }

                // A first look at those far behind is enough.
                double time = work.Nanoseconds(kernel, 0.003);
                if (time < best * 1.1)
                {
                    time = work.Nanoseconds(kernel, 0.02);
                }

                best = Math.Min(best, time);
                times.Add(new TunedTime(time, kernel.Label));
            }
            catch (VulkanException e)
            {
                wrong.Add($"{kernel.Label}: {e.Message}");
            }
        }

        if (times.Count == 0)
        {
            return new TunedProblem(new VulkanMatmulBenchmark(gpu, rooflines).Describe(p, "none", scheme, double.PositiveInfinity), 0, wrong);
        }

        table.Add(p, times);
        TunedTime winner = times.MinBy(t => t.Nanoseconds)!;
        return new TunedProblem(new VulkanMatmulBenchmark(gpu, rooflines).Describe(p, winner.Label, scheme, winner.Nanoseconds), times.Count, wrong);
    }
}
