using Portable.Quantization.Baselines;
using Portable.Reference.Algorithms.AbqLlm;

namespace Portable.Quantization.Runs;

/// <summary>The method table: a method that is here is offered, documented and tested; one that is not does not exist.</summary>
internal static class QuantizationMethods
{
    /// <summary>All methods, in the order of help.</summary>
    public static IReadOnlyList<IQuantizationMethod> All { get; } =
    [
        new RoundToNearestMethod(),
        new SmoothQuantMethod(),
        new GptqMethod(),
        new AbqLlm.ReconstructionMethod("omniquant", "OmniQuant: learned clipping and smoothing, block by block", ("paper", _ => AbqOptions.OmniQuant)),
        new FlexQ.FlexQMethod(),
        new AbqLlm.ReconstructionMethod("abq", "ABQ-LLM: learned smoothing, clipping and compensation with distribution and attention losses", ("default", AbqOptions.Ours), ("paper", AbqOptions.Paper)),
        new FlattenQuant.FlattenMethod(),
    ];

    /// <summary>The method of a name.</summary>
    /// <exception cref="MethodUsageException">No such method.</exception>
    public static IQuantizationMethod Find(string name) =>
        All.FirstOrDefault(m => m.Name == name)
        ?? throw new MethodUsageException($"There is no method '{name}'; methods: {string.Join(", ", All.Select(m => m.Name))}.");
}
