namespace Portable.Reference.BitPlanes;

/// <summary>
/// The shape of a matmul and the one place where Int32 accumulators are proven to hold: within one group of K columns every
/// |Σ (x − zx)(w − zw)| is at most K · |x − zx| · |w − zw|, and that product must be below 2^31.
/// </summary>
/// <remarks>
/// With zero points in 0 … the largest code (ranges include 0), |x − zx| is at most the largest code minus the smallest;
/// without, the largest magnitude. Partial sums in between may wrap: addition modulo 2^32 is exact once the result fits.
/// A 16-bit activation is bounded per digit, 255 (low) and 128 (high).
/// </remarks>
public readonly record struct MatmulShape
{
    /// <summary>Describes and checks a matmul.</summary>
    /// <param name="rows">M ≥ 1.</param>
    /// <param name="channels">N ≥ 1.</param>
    /// <param name="layout">K and its groups.</param>
    /// <param name="weights">Weight codes.</param>
    /// <param name="activations">Activation codes.</param>
    /// <exception cref="ArgumentException">A group is so long that Int32 could overflow.</exception>
    public MatmulShape(int rows, int channels, GroupLayout layout, CodeFormat weights, CodeFormat activations)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(channels, 1);
        (Rows, Channels, Layout, Weights, Activations) = (rows, channels, layout, weights, activations);
        int limit = MaximumGroup(weights, activations);
        if (layout.GroupSize > limit)
        {
            throw new ArgumentException($"K = {layout.GroupSize} columns of {weights} weights and {activations} activations can overflow 32-bit sums; at most {limit} fit. Use groups (g) of at most {limit} columns.");
        }
    }

    /// <summary>M.</summary>
    public int Rows { get; }

    /// <summary>N.</summary>
    public int Channels { get; }

    /// <summary>K and its groups.</summary>
    public GroupLayout Layout { get; }

    /// <summary>Weight codes.</summary>
    public CodeFormat Weights { get; }

    /// <summary>Activation codes.</summary>
    public CodeFormat Activations { get; }

    /// <summary>Whether memory has the weights in base five.</summary>
    internal bool BaseFive { get; init; }

    /// <summary>The longest group whose sums surely fit Int32: 33,025 for 8 × 8 bits with zero points.</summary>
    public static int MaximumGroup(CodeFormat weights, CodeFormat activations)
    {
        long weight = Range(weights);
        long activation = activations.Bits == 16 ? 255 : Range(activations);
        return (int)Math.Min(int.MaxValue / (weight * activation), int.MaxValue);
    }

    private static long Range(CodeFormat format) => format.Signed ? format.MaximumMagnitude : format.Maximum;
}
