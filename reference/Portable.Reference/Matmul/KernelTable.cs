using System.Collections.Concurrent;
using Portable.Reference.BitPlanes;
using Portable.Reference.BitPlanes.Kernels;

namespace Portable.Reference.Matmul;

/// <summary>
/// Every matmul kernel. One that is in the table is dispatched, tested, verified and benchmarked; one that is not does not exist.
/// </summary>
internal static class KernelTable
{
    /// <summary>Names the kernel that every matmul of the process must use.</summary>
    public const string EnvironmentVariable = "PORTABLE_KERNEL";

    // Base five to planes, of a code.
    private const double UnpackNanoseconds = 0.05;

    private static readonly string? Forced = Environment.GetEnvironmentVariable(EnvironmentVariable) is { Length: > 0 } name ? name : null;

    // A decode step asks for the same few shapes again and again.
    private static readonly ConcurrentDictionary<MatmulShape, MatmulKernel> Choices = new();

    /// <summary>All rows, the definition first.</summary>
    public static IReadOnlyList<MatmulKernel> Rows { get; } = KernelRows.Create();

    /// <summary>The rows that this process can run.</summary>
    public static IReadOnlyList<MatmulKernel> Supported { get; } = [.. Rows.Where(k => k.IsSupported)];

    /// <summary>Whether a kernel can evaluate a scheme exactly.</summary>
    /// <param name="kernel">The kernel.</param>
    /// <param name="weights">Weight codes.</param>
    /// <param name="activations">Activation codes.</param>
    /// <param name="baseFive">Whether memory has the weights in base five: others read them as planes, made for each piece.</param>
    public static bool Serves(MatmulKernel kernel, CodeFormat weights, CodeFormat activations, bool baseFive)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        return (baseFive || !kernel.ReadsBaseFive) && kernel.Serves(weights, ActivationRows.DigitFormat(activations, 0)) && kernel.Serves(weights, ActivationRows.DigitFormat(activations, 1));
    }

    /// <summary>The kernel for a shape: the named one, else the one that <c>PORTABLE_KERNEL</c> names, else the cheapest by its own model.</summary>
    /// <exception cref="KernelException">The name is unknown, or that kernel cannot run here or cannot serve the scheme.</exception>
    public static MatmulKernel Select(MatmulShape shape, string? name = null)
    {
        name ??= Forced;
        return name is null ? Choices.GetOrAdd(shape, Cheapest) : Named(shape, name);
    }

    private static bool Serves(MatmulKernel kernel, MatmulShape shape) => Serves(kernel, shape.Weights, shape.Activations, shape.BaseFive);

    private static MatmulKernel Cheapest(MatmulShape shape)
    {
        MatmulKernel? best = null;
        double cost = double.PositiveInfinity;
        foreach (MatmulKernel kernel in Supported)
        {
            if (!Serves(kernel, shape))
            {
                continue;
            }

            double c = kernel.Cost(shape) + (shape.BaseFive && !kernel.ReadsBaseFive ? UnpackNanoseconds * shape.Channels * shape.Layout.Columns : 0);
            (best, cost) = c < cost ? (kernel, c) : (best, cost);
        }

        return best!;
    }

    private static MatmulKernel Named(MatmulShape shape, string name)
    {
        MatmulKernel? kernel = Rows.FirstOrDefault(k => k.Name == name);
        string able = string.Join(", ", Supported.Where(k => Serves(k, shape)).Select(k => k.Name));
        return kernel switch
        {
            null => throw new KernelException($"There is no kernel '{name}'; these can serve here: {able}."),
            { IsSupported: false } => throw new KernelException($"Kernel '{name}' needs {kernel.Requires}, which this processor or process does not have; these can serve here: {able}."),
            { ReadsBaseFive: true } when !shape.BaseFive => throw new KernelException($"Kernel '{name}' reads five-level weights (W2*, one group) in base five, which these {shape.Weights} weights are not; these can serve: {able}."),
            _ when !Serves(kernel, shape) => throw new KernelException($"Kernel '{name}' cannot hold {shape.Weights} weights × {shape.Activations} activations exactly; these can: {able}."),
            _ => kernel,
        };
    }
}

/// <summary>A kernel was asked for by name that does not exist or cannot serve; the message says what would work.</summary>
public sealed class KernelException(string message) : Exception(message);
