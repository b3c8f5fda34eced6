using System.Diagnostics;
using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Matmul.Techniques;

namespace Portable.Vulkan.Benchmarking;

/// <summary>The best of one tuned problem.</summary>
/// <param name="Measurement">The winner.</param>
/// <param name="Candidates">Kernels that were exact and measured.</param>
/// <param name="Wrong">Kernels that gave wrong results, with what was wrong.</param>
internal sealed record TunedProblem(MatmulMeasurement Measurement, int Candidates, IReadOnlyList<string> Wrong);

/// <summary>
/// Walks the candidates over shapes and schemes, checks each one's results, and keeps the times. Unattended, within a time
/// limit, most telling problems first; what is on disk already is not measured again, so a second run goes on where the first
/// one stopped.
/// </summary>
internal sealed class MatmulTuner(VulkanContext gpu, Rooflines rooflines)
{
    private static readonly (int N, int K)[] Layers = [(12288, 4096), (4096, 4096), (28672, 8192), (4096, 14336), (1024, 8192)];
    private static readonly int[] Decode = [1, 8], Prefill = [64, 1024], MoreTokens = [2, 4, 16, 32, 512, 8192];
    private static readonly int[] ModelTokens = [1, 8, 16, 64, 512];
    private static readonly string[] Schemes =
    [
        "W6A6g128", "W4A8", "W2A8", "W8A8", "W6A8", "W4A8g128", "W3A8", "W5A8", "W7A8", "W1A8",
        "W8A8g128", "W2A8g128", "W3A8g128", "W5A8g128", "W7A8g128", "W4A16",
    ];

    private static readonly (int First, int Count, int[] Tokens, int Schemes)[] Parts =
    [
        (0, 3, Decode, 16), (0, 1, Prefill, 16), (4, 1, Decode, 16), (3, 1, Decode, 16), (0, 1, MoreTokens, 8), (1, 3, Prefill, 8),
    ];

    /// <summary>
    /// The problems, most telling first: weights and a scheme, with the numbers of tokens that share them. Numbers of tokens
    /// whose neighbours are measured for every scheme, and further weights, come for the first half of the schemes only.
    /// </summary>
    public static IEnumerable<(int N, int K, string Scheme, int[] Tokens)> Problems(VulkanDeviceFacts device) =>
        device.Kind == VulkanDeviceKind.Cpu
            ? from scheme in Schemes.Take(3) select (256, 512, scheme, new[] { 1, 8, 64 })
            : from part in Parts
              from weights in Layers.Skip(part.First).Take(part.Count)
              from scheme in Schemes.Take(part.Schemes)
              select (weights.N, weights.K, scheme, part.Tokens);

    /// <summary>The problems of a model: what its blocks multiply, in decode steps of one and of more sequences and in prompts.</summary>
    /// <param name="config">The model.</param>
    /// <param name="scheme">The scheme of its linears.</param>
    public static IEnumerable<(int N, int K, string Scheme, int[] Tokens)> Problems(ModelConfig config, QuantizationScheme scheme)
    {
        // A scheme's cache and tables are no part of a linear's problem.
        string linears = new QuantizationScheme(scheme.WeightBits, scheme.ActivationBits, scheme.GroupSize, balanced: scheme.Balanced).ToString();
        return config.Blocks.SelectMany(block => Enum.GetValues<BlockInput>().Select(input => (N: block.Reading(input).Sum(slot => block.SizeOf(slot).Rows), K: block.Columns(input))))
            .Distinct().Select(size => (size.N, size.K, linears, ModelTokens));
    }

    /// <summary>The problems, one for each number of tokens, that a table has no measurement of.</summary>
    public static int Missing(IEnumerable<(int N, int K, string Scheme, int[] Tokens)> problems, TunedChoices table) =>
        problems.Sum(p => p.Tokens.Count(m => !VulkanMatmulBenchmark.IsTuned(table, m, p.N, p.K, QuantizationScheme.Parse(p.Scheme))));

    /// <summary>Tunes.</summary>
    /// <param name="problems">What.</param>
    /// <param name="limit">Time after which no further problem is begun.</param>
    /// <param name="report">Told each problem's result.</param>
    /// <param name="cancellation">Stops in good order; what is measured is kept.</param>
    /// <returns>Where the table was written, or null where it could not be.</returns>
    public string? Run(IEnumerable<(int N, int K, string Scheme, int[] Tokens)> problems, TimeSpan limit, Action<TunedProblem> report, CancellationToken cancellation = default)
    {
        var clock = Stopwatch.StartNew();
        TunedChoices table = TunedChoices.Load(gpu.Facts);
        string? path = null;
        bool Over() => clock.Elapsed > limit || cancellation.IsCancellationRequested;
        foreach ((int n, int k, string text, int[] tokens) in problems)
        {
            QuantizationScheme scheme = QuantizationScheme.Parse(text);
            int[] missing = [.. tokens.Where(m => !VulkanMatmulBenchmark.IsTuned(table, m, n, k, scheme))];
            if (missing.Length == 0)
            {
                continue;
            }

            if (Over())
            {
                return path;
            }

            using ColdWeights weights = VulkanMatmulBenchmark.Weights(gpu, n, k, scheme, gpu.Facts.Kind == VulkanDeviceKind.Cpu ? 0 : VulkanMatmulBenchmark.ColdBytes);

            // Building kernels is the slow part: do it on every core first.
            MatmulProblem[] sizes = [.. missing.Select(m => weights.Copies[0].Problem(m))];
            Parallel.ForEach(sizes.SelectMany(p => MatmulCandidates.Of(gpu.Facts, p).Select(k => (p, k))), pair => pair.k.Prepare(gpu, pair.p));
            foreach (int m in missing)
            {
                if (Over())
                {
                    return path;
                }

                using var work = new MatmulWorkload(gpu, weights, m);
                report(Tune(work, text, table));
                path = table.Save();
            }
        }

        return path;
    }

    private TunedProblem Tune(MatmulWorkload work, string scheme, TunedChoices table)
    {
        MatmulProblem p = work.Problem;
        List<TunedTime> times = [];
        List<string> wrong = [];
        double best = double.MaxValue;
        foreach (MatmulPlan kernel in MatmulCandidates.Of(gpu.Facts, p))
        {
            try
            {
                int mismatches = work.Mismatches(kernel);
                if (mismatches > 0)
                {
                    wrong.Add($"{kernel.Label}: {mismatches} wrong results");
                    continue;
                }

                double time = work.NanosecondsAgainst(best, kernel);
                // Kernels that share memory between workgroups must have left it as they found it.
                if (kernel.Splits > 1 && work.Mismatches(kernel) > 0)
                {
                    wrong.Add($"{kernel.Label}: wrong results when run again");
                    continue;
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
