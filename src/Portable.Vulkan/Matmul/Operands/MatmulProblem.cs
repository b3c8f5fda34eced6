using Portable.Reference.BitPlanes;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Operands;

/// <summary>What a kernel writes.</summary>
internal enum MatmulOutput
{
    /// <summary>f32 after the whole epilogue.</summary>
    Float32 = 0,

    /// <summary>int32 sums of the raw codes, per digit and group: for verification.</summary>
    Integers = 1,

    /// <summary>f16 of the f32 result, nearest even, clamped to ±65504. Its kernels are those of f32; a flag chooses.</summary>
    Float16 = 2,
}

/// <summary>Everything about a matmul that kernels are chosen by and specialized for.</summary>
/// <param name="M">Tokens.</param>
/// <param name="N">Channels.</param>
/// <param name="Layout">K and its groups.</param>
/// <param name="Weights">Weight codes.</param>
/// <param name="Activations">Activation codes.</param>
/// <param name="WeightZeros">Weight zero points differ between channels or groups.</param>
/// <param name="Residual">The output is added to.</param>
/// <param name="Output">What is written.</param>
/// <param name="General">Specialize for widths and groups only: fewer kernels to build where speed does not matter.</param>
internal sealed record MatmulProblem(
    int M,
    int N,
    GroupLayout Layout,
    CodeFormat Weights,
    CodeFormat Activations,
    bool WeightZeros = false,
    bool Residual = false,
    MatmulOutput Output = MatmulOutput.Float32,
    bool General = false)
{
    /// <summary>Whether weight scales are halves.</summary>
    public bool HalfScales { get; init; }

    /// <summary>Which groups share a weight scale; by default each has its own.</summary>
    public ScaleGroups WeightScales { get; init; } = new(Layout.Groups, 1);

    /// <summary>Which groups share an activation's scale; by default each has its own.</summary>
    public ScaleGroups ActivationScales { get; init; } = new(Layout.Groups, 1);

    /// <summary>Digits of an activation: 2 for 16-bit codes.</summary>
    public int Digits => Activations.Bits == 16 ? 2 : 1;

    /// <summary>Blocks per group, 0 where there is one group.</summary>
    public int GroupBlocks => Layout.Groups == 1 ? 0 : Layout.BlocksPerGroup;

    /// <summary>Multiply-adds.</summary>
    public long MultiplyAdds => (long)M * N * Layout.Columns;

    /// <summary>Bytes of packed weights.</summary>
    public long WeightBytes => (long)N * Layout.Columns * Weights.Bits / 8;

    /// <summary>The specialization constants that all kernels share. <see cref="General"/> fixes only what it must.</summary>
    internal MatmulConstants Constants()
    {
        StoredZeros zw = (General && Output != MatmulOutput.Integers) || WeightZeros ? StoredZeros.Varying : WeightZeroConstant != 0 ? StoredZeros.Constant : StoredZeros.Zero;
        StoredZeros zx = General || !Activations.Signed ? StoredZeros.Varying : StoredZeros.Zero;
        if (Output == MatmulOutput.Integers)
        {
            // Raw codes: only the offsets of storing are taken out.
            (zw, zx) = (StoredZeros.Constant, StoredZeros.Constant);
        }

        // A span that is all of K is no constant: kernels would differ by K.
        (int weightSpan, int xSpan) = (WeightScales.Count == 1 && Layout.Groups > 1 ? 0 : WeightScales.Span, ActivationScales.Count == 1 ? 1 : ActivationScales.Span);
        return new MatmulConstants(Weights.Bits, Digits, GroupBlocks, zw, zx, Output == MatmulOutput.Integers ? 1u : 0u, HalfScales, weightSpan, xSpan);
    }

    /// <summary>The stored zero point of weights whose zero points are all 0.</summary>
    public int WeightZeroConstant => -StoredCodes.WeightOffset(Weights);
}
