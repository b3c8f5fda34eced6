using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Matmul.Techniques;
using Portable.Vulkan.SelfChecks;

namespace Portable.Vulkan.Benchmarking;

/// <summary>One measured matmul.</summary>
/// <param name="Kernel">Kernel with its tile.</param>
/// <param name="Scheme">Scheme of weights and activations.</param>
/// <param name="M">Tokens.</param>
/// <param name="N">Channels.</param>
/// <param name="K">Columns.</param>
/// <param name="Microseconds">Time of one, epilogue included, activations already quantized.</param>
/// <param name="Tops">10^12 operations per second, two per multiply-add.</param>
/// <param name="Gbps">10^9 bytes of packed weights per second.</param>
/// <param name="Fraction">Of the bound that applies: weights over the read stream, or operations over the matrix peak, whichever takes longer.</param>
internal sealed record MatmulMeasurement(string Kernel, string Scheme, int M, int N, int K, double Microseconds, double Tops, double Gbps, double Fraction)
{
    /// <summary>Quantizing and packing the activations on the device, alone; null where not measured.</summary>
    public double? QuantizeMicroseconds { get; init; }

    /// <summary>The same and then the matmul.</summary>
    public double? TotalMicroseconds { get; init; }

    /// <summary>The fastest of the kernels worth trying, where they were tried.</summary>
    public TunedTime? Best { get; init; }
}

/// <summary>Times matmuls on a device with the dispatcher's choice or a forced technique.</summary>
internal sealed class VulkanMatmulBenchmark(VulkanContext gpu, Rooflines rooflines)
{
    /// <summary>More than any last-level cache.</summary>
    public const long ColdBytes = 256L << 20;

    /// <summary>Measures one shape and scheme.</summary>
    /// <param name="m">Tokens.</param>
    /// <param name="n">Channels.</param>
    /// <param name="k">Columns.</param>
    /// <param name="scheme">The scheme.</param>
    /// <param name="kernel">A technique or a whole kernel label to force, or null for the dispatcher's choice.</param>
    /// <param name="warm">One copy of the weights, that may stay in a cache.</param>
    /// <param name="best">Also time every other kernel worth trying.</param>
    /// <exception cref="VulkanException">The kernel cannot serve, or computed wrongly.</exception>
    public MatmulMeasurement Measure(int m, int n, int k, QuantizationScheme scheme, string? kernel = null, bool warm = false, bool best = false)
    {
        using ColdWeights weights = Weights(gpu, n, k, scheme, warm ? 0 : ColdBytes);
        using var work = new MatmulWorkload(gpu, weights, m);
        MatmulPlan chosen = Choose(work.Problem, kernel);
        if (work.Mismatches(chosen) is > 0 and var wrong)
        {
            throw new VulkanException($"{chosen.Label} gave {wrong} wrong results at {m}×{n}×{k} {scheme} on {gpu.Facts.Name}; it must not be used there.");
        }

        const double Budget = 0.05;
        double time = work.Nanoseconds(chosen, Budget);
        (double quantize, double total) = work.WithQuantizing(chosen);
        TunedTime fastest = new(time, chosen.Label);
        foreach (MatmulPlan other in best ? MatmulCandidates.Of(gpu.Facts, work.Problem).Where(k => k.Label != chosen.Label && work.Mismatches(k) == 0) : [])
        {
            double its = work.NanosecondsAgainst(fastest.Nanoseconds, other, Budget);
            fastest = its < fastest.Nanoseconds ? new TunedTime(its, other.Label) : fastest;
        }

        if (best)
        {
            // Before the others and after them, so that what else the machine does weighs on all alike.
            time = Math.Min(time, work.Nanoseconds(chosen, Budget));
            fastest = time <= fastest.Nanoseconds ? new TunedTime(time, chosen.Label) : fastest;
        }

        return Describe(work.Problem, chosen.Label, scheme.ToString(), time) with
        {
            QuantizeMicroseconds = quantize / 1000,
            TotalMicroseconds = total / 1000,
            Best = best ? fastest : null,
        };
    }

    /// <summary>Puts a time in relation to the rooflines.</summary>
    public MatmulMeasurement Describe(MatmulProblem p, string label, string scheme, double nanoseconds)
    {
        double operations = 2.0 * p.MultiplyAdds;
        double peak = Math.Max(rooflines.MatrixOperationsPerSecond, rooflines.DotOperationsPerSecond) / p.Digits;
        double bound = Math.Max(p.WeightBytes / rooflines.StreamBytesPerSecond, operations / peak) * 1e9;
        return new MatmulMeasurement(label, scheme, p.M, p.N, p.Layout.Columns, nanoseconds / 1000, operations / nanoseconds / 1000, p.WeightBytes / nanoseconds, bound / nanoseconds);
    }

    /// <summary>Weights of a scheme.</summary>
    internal static ColdWeights Weights(VulkanContext gpu, int n, int k, QuantizationScheme scheme, long bytes)
    {
        (CodeFormat weights, CodeFormat activations) = Formats(scheme);
        return new ColdWeights(gpu, n, k, scheme.GroupSize, weights, activations, bytes);
    }

    /// <summary>Whether a table holds this problem.</summary>
    internal static bool IsTuned(TunedChoices table, int m, int n, int k, QuantizationScheme scheme)
    {
        (CodeFormat weights, CodeFormat activations) = Formats(scheme);
        var problem = new MatmulProblem(m, n, new GroupLayout(k, scheme.GroupSize), weights, activations, WeightZeros: !weights.Signed);
        return table.Table.ContainsKey(TunedChoices.KeyOf(problem));
    }

    // As the schemes' quantizers make them: symmetric with a group size, else asymmetric; W2* as codes 0 … 4 in three planes.
    private static (CodeFormat Weights, CodeFormat Activations) Formats(QuantizationScheme scheme)
    {
        if (scheme.ActivationGroupSize != 0)
        {
            throw new VulkanException($"Single matmuls are measured with one group size for weights and activations (W8A8g128), not {scheme}; a whole model takes it (bench model).");
        }

        bool symmetric = scheme.GroupSize != 0 && scheme is { WeightBits: > 1, ActivationBits: > 1 };
        return (scheme.Balanced ? new CodeFormat(3, signed: false) : new CodeFormat(scheme.WeightBits, symmetric), new CodeFormat(scheme.ActivationBits, symmetric || scheme.ActivationBits == 16));
    }

    private MatmulPlan Choose(MatmulProblem problem, string? kernel)
    {
        if (kernel is null || MatmulTechniques.All.Any(t => t.Name == kernel))
        {
            return MatmulDispatcher.For(gpu, SelfCheck.Of(gpu), kernel).Choose(problem);
        }

        return MatmulTechniques.Supported(gpu.Facts, problem).SelectMany(t => t.Candidates(gpu.Facts, problem)).FirstOrDefault(c => c.Label == kernel)
            ?? throw new VulkanException($"No Vulkan kernel '{kernel}' for {problem}; techniques are {string.Join(", ", MatmulTechniques.All.Select(t => t.Name))}.");
    }
}
