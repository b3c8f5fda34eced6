using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>What products of f32 matrices are specialized for (shaders/include/float_gemm.glsl).</summary>
/// <param name="TableType">Element type of an N×K right operand.</param>
/// <param name="Tile">Outputs of a workgroup, and columns of K at a time.</param>
/// <param name="AColumns">Whether the left operand is K×M.</param>
/// <param name="BColumns">Whether the right operand is K×N.</param>
/// <param name="Quads">Whether rows of both start on 16 bytes and have whole quads.</param>
/// <param name="Whole">Whether so, and every run of K is of whole steps of the tile.</param>
internal readonly record struct FloatGemmConstants(TableType TableType, FloatTile Tile, bool AColumns, bool BColumns, bool Quads, bool Whole)
{
    /// <summary>Those of a product.</summary>
    /// <param name="type">Element type of an N×K right operand.</param>
    /// <param name="tile">The tile.</param>
    /// <param name="aColumns">Whether the left operand is K×M.</param>
    /// <param name="bColumns">Whether the right operand is K×N.</param>
    /// <param name="m">M.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K; where it is cut into runs, all but the last are multiples of every tile's steps.</param>
    public static FloatGemmConstants For(TableType type, FloatTile tile, bool aColumns, bool bColumns, int m, int n, int k)
    {
        bool quads = (aColumns ? m : k) % 4 == 0 && (bColumns ? n : k) % 4 == 0;
        return new(type, tile, aColumns, bColumns, quads, quads && k % tile.TileK == 0);
    }

    /// <summary>Writes the constants.</summary>
    public void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Tile.Workgroup);
        constants.Set(1, (uint)TableType);
        constants.Set(2, Tile.TileM);
        constants.Set(3, Tile.TileN);
        constants.Set(4, Tile.TileK);
        constants.Set(5, Tile.MicroM);
        constants.Set(6, Tile.MicroN);
        constants.Set(7, AColumns);
        constants.Set(8, BColumns);
        constants.Set(9, Quads);
        constants.Set(12, Whole);
    }
}

/// <summary>A tile of a product of f32 matrices.</summary>
/// <param name="TileM">Rows of a workgroup.</param>
/// <param name="TileN">Columns of a workgroup.</param>
/// <param name="TileK">Columns of K in shared memory.</param>
/// <param name="MicroM">Rows of an invocation, a multiple of 4.</param>
/// <param name="MicroN">Columns of an invocation, a multiple of 4.</param>
internal readonly record struct FloatTile(int TileM, int TileN, int TileK, int MicroM, int MicroN)
{
    /// <summary>Invocations.</summary>
    public int Workgroup => TileM / Math.Max(1, MicroM) * (TileN / Math.Max(1, MicroN));

    /// <summary>Bytes of shared memory.</summary>
    public int SharedBytes => 16 * TileK * ((TileM / 4) + 1 + (TileN / 4) + 1);

    /// <summary>Workgroups of a product of m rows and n columns.</summary>
    public (int X, int Y) Workgroups(int m, int n) => ((n + TileN - 1) / TileN, (m + TileM - 1) / TileM);
}

/// <summary>shaders/calibration/gemm.comp, gemm_emulated.comp: y = a·b in f32, every output sequential in k and fused.</summary>
internal abstract record FloatGemmShader : Shader<FloatGemmPush>
{
    /// <summary>Operands and tile.</summary>
    public required FloatGemmConstants Gemm { get; init; }

    /// <summary>Whether there is a bias.</summary>
    public bool Bias { get; init; }

    /// <summary>Whether the product is added to y.</summary>
    public bool Residual { get; init; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        Gemm.Specialize(constants);
        constants.Set(10, Bias);
        constants.Set(11, Residual);
    }
}

/// <summary>Products on devices whose fma rounds once.</summary>
internal sealed record FusedGemmShader : FloatGemmShader
{
    /// <inheritdoc/>
    public override string Name => "gemm";
}

/// <summary>Products on devices whose fma does not, by way of f64.</summary>
internal sealed record EmulatedGemmShader : FloatGemmShader
{
    /// <inheritdoc/>
    public override string Name => "gemm_emulated";
}

/// <summary>Push constants of <see cref="FloatGemmShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct FloatGemmPush(ulong A, ulong B, ulong Bias, ulong Y, uint M, uint N, uint K, uint YStride);

/// <summary>shaders/calibration/gram.comp, gram_emulated.comp: Σ x·xᵀ or Σ x·yᵀ, runs of rows in f32 and their sums in f64.</summary>
internal abstract record GramShader : Shader<GramPush>
{
    /// <summary>Operands and tile.</summary>
    public required FloatGemmConstants Gemm { get; init; }

    /// <summary>Rows that are summed in f32.</summary>
    public required int Run { get; init; }

    /// <summary>Whether y is x, and the upper triangle is enough.</summary>
    public required bool Upper { get; init; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        Gemm.Specialize(constants);
        constants.Set(10, Run);
        constants.Set(11, Upper);
    }
}

/// <summary>Sums on devices whose fma rounds once.</summary>
internal sealed record FusedGramShader : GramShader
{
    /// <inheritdoc/>
    public override string Name => "gram";
}

/// <summary>Sums on devices whose fma does not.</summary>
internal sealed record EmulatedGramShader : GramShader
{
    /// <inheritdoc/>
    public override string Name => "gram_emulated";
}

/// <summary>Push constants of <see cref="GramShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct GramPush(ulong X, ulong Y, ulong Gram, uint Size, uint Columns, uint Rows);

/// <summary>shaders/calibration/errors.comp: Σ (ŷ·f − y)² and Σ y² of rows.</summary>
internal sealed record ErrorsShader : Shader<ErrorsPush>
{
    /// <summary>Invocations.</summary>
    public int Workgroup => 64;

    /// <inheritdoc/>
    public override string Name => "errors";

    /// <summary>Whether ŷ is multiplied by factors of the columns.</summary>
    public required bool Scales { get; init; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Scales);
    }
}

/// <summary>Push constants of <see cref="ErrorsShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct ErrorsPush(ulong Exact, ulong Approximate, ulong Errors, ulong Factors, uint Columns);

/// <summary>shaders/calibration/difference.comp: y −= x.</summary>
internal sealed record DifferenceShader : Shader<DifferencePush>
{
    /// <summary>Values of a workgroup.</summary>
    public int Workgroup => 256;

    /// <inheritdoc/>
    public override string Name => "difference";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants) => constants.Set(0, Workgroup);
}

/// <summary>Push constants of <see cref="DifferenceShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DifferencePush(ulong X, ulong Y, uint Count);

/// <summary>shaders/calibration/maxima.comp: max|x| of every column.</summary>
internal sealed record MaximaShader : Shader<MaximaPush>
{
    /// <summary>Columns of a workgroup.</summary>
    public required int Workgroup { get; init; }

    /// <summary>Rows of a workgroup.</summary>
    public required int Stretch { get; init; }

    /// <inheritdoc/>
    public override string Name => "maxima";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Stretch);
    }
}

/// <summary>shaders/calibration/squares.comp: Σ x² of every column.</summary>
internal sealed record SquaresShader : Shader<MaximaPush>
{
    /// <summary>Columns of a workgroup.</summary>
    public int Workgroup => 32;

    /// <inheritdoc/>
    public override string Name => "squares";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants) => constants.Set(0, Workgroup);
}

/// <summary>Push constants of <see cref="MaximaShader"/> and of <see cref="SquaresShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct MaximaPush(ulong X, ulong Maxima, uint Columns, uint Rows);
