using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Techniques;

namespace Portable.Vulkan.Matmul.Selection;

/// <summary>
/// Chooses the kernel of a problem: what tuning measured best on this device where it has, otherwise the technique with the
/// least estimated time, as the self-check's first times correct it. Techniques that failed the self-check are out.
/// </summary>
internal sealed class MatmulDispatcher
{
    private readonly VulkanContext _gpu;
    private readonly string? _forced;

    private MatmulDispatcher(VulkanContext gpu, SelfCheckResult check, TunedChoices tuned, string? forced)
    {
        (_gpu, Check, Tuned, _forced) = (gpu, check, tuned, forced);
        if (forced is not null && check.Failures.TryGetValue(MatmulTechniques.Named(forced).Name, out string? reason))
        {
            throw new VulkanException($"The Vulkan kernel '{forced}' failed the self-check on {gpu.Facts.Name}: {reason}. Others work: {string.Join(", ", MatmulTechniques.All.Select(t => t.Name).Where(n => !check.Failures.ContainsKey(n)))}.");
        }
    }

    /// <summary>What the self-check found.</summary>
    public SelfCheckResult Check { get; }

    /// <summary>What tuning has measured.</summary>
    public TunedChoices Tuned { get; }

    /// <summary>The dispatcher of a device.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="check">What its self-check found.</param>
    /// <param name="forced">A technique by name, or null.</param>
    /// <exception cref="VulkanException">The forced technique is unknown or failed its check.</exception>
    public static MatmulDispatcher For(VulkanContext gpu, SelfCheckResult check, string? forced = null) => new(gpu, check, TunedChoices.Load(gpu.Facts), forced);

    /// <summary>Nanoseconds that a problem takes on this device, as far as first times tell.</summary>
    /// <exception cref="VulkanException">No kernel passed its self-check.</exception>
    internal double Nanoseconds(MatmulProblem problem)
    {
        double[] estimates = [.. MatmulTechniques.Supported(_gpu.Facts, problem).Where(t => !Check.Failures.ContainsKey(t.Name)).Select(t => Check.Estimate(t, _gpu.Facts, problem))];
        return estimates.Length > 0 ? Check.Nanoseconds(estimates.Min(), problem.M) : throw NothingServes();
    }

    /// <summary>The kernel for a problem.</summary>
    /// <exception cref="VulkanException">The forced technique cannot serve it.</exception>
    public MatmulPlan Choose(MatmulProblem problem) => Candidates(problem).FirstOrDefault() ?? throw new VulkanException(_forced is { } name
        ? $"The Vulkan kernel '{name}' cannot serve {problem}: {MatmulTechniques.Named(name).Refusal(_gpu.Facts, problem) ?? "no tile fits"}."
        : NothingServes().Message);

    /// <summary>The kernels that can serve a problem, the best first.</summary>
    internal IEnumerable<MatmulPlan> Candidates(MatmulProblem problem)
    {
        if (_forced is not null)
        {
            return MatmulTechniques.Named(_forced).Candidates(_gpu.Facts, problem);
        }

        IEnumerable<MatmulPlan> candidates = MatmulTechniques.Supported(_gpu.Facts, problem)
            .Where(t => !Check.Failures.ContainsKey(t.Name))
            .OrderBy(t => Check.Estimate(t, _gpu.Facts, problem))
            .SelectMany(t => t.Candidates(_gpu.Facts, problem))
            .Where(k => !Check.Failures.ContainsKey(k.Proof))
            .Where(k => k.FitsOn(_gpu.Facts));
        string? tuned = Tuned.Find(problem);
        return tuned is null ? candidates : candidates.OrderBy(c => c.Label == tuned ? 0 : 1);
    }

    private VulkanException NothingServes() => new($"No kernel of {_gpu.Facts.Name} passed its self-check; use the device cpu.");
}
