using Portable.Reference.Blocks;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/matmul/gemv.comp: one token's row prepared, multiplied and finished in one dispatch.</summary>
internal sealed record GemvShader : MatmulShader
{
    /// <summary>Invocations of a workgroup: 32 for each slice of K.</summary>
    public required int Invocations { get; init; }

    /// <summary>Blocks of a tile in flight; with groups a multiple of a group's blocks.</summary>
    public required int Depth { get; init; }

    /// <summary>Tiles of 32 channels of a turn: one, or one of gate and one of up; with one these take turns.</summary>
    public required int Tiles { get; init; }

    /// <summary>How the row is quantized.</summary>
    public required GemvRow Row { get; init; }

    /// <summary>Whether the row goes through RMSNorm before.</summary>
    public required bool Normalized { get; init; }

    /// <summary>The norm's ε.</summary>
    public required float Epsilon { get; init; }

    /// <summary>Squares of a row in shared memory at a time, a multiple of 64.</summary>
    public required int Stage { get; init; }

    /// <summary>What becomes of the products.</summary>
    public required GemvFinish Finish { get; init; }

    /// <summary>The activation of <see cref="GemvFinish.Activation"/>, <see cref="GemvFinish.Gate"/> and <see cref="Gated"/>.</summary>
    public ActivationKind Activation { get; init; }

    /// <summary>Whether the row is f(gate)·up of gate and up side by side.</summary>
    public bool Gated { get; init; }

    /// <summary>Turns of all workgroups: tiles, or pairs of them.</summary>
    public required int Units { get; init; }

    /// <summary>Workgroups.</summary>
    public required int Workgroups { get; init; }

    /// <summary>Fields of a byte that are multiplied where they lie, without being moved to its low bits; 1: none.</summary>
    public required int Places { get; init; }

    /// <summary>Whether it waits for what the dispatch before it leaves without a barrier (shaders/include/links.glsl).</summary>
    public bool Linked { get; init; }

    /// <summary>
    /// Blocks that are asked for before the row, where it is linked: all of them where a workgroup has one turn (or one of gate and one of up), so that processors which wait
    /// have what they need; none where there are more, because the row comes behind them.
    /// </summary>
    public int Early { get; init; }

    /// <inheritdoc/>
    public override string Name => "gemv";

    /// <inheritdoc/>
    public override int WorkgroupSize => Invocations;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(7, Invocations);
        constants.Set(8, Depth);
        constants.Set(9, Tiles);
        constants.Set(10, Row.Columns);
        constants.Set(11, Row.RowBlocks);
        constants.Set(12, Row.GroupColumns);
        constants.Set(13, Row.GroupScales);
        constants.Set(14, Row.QuantizerMode);
        constants.Set(15, Row.CodeBits);
        constants.Set(16, Row.InverseLevels);
        constants.Set(17, Normalized);
        constants.Set(18, Row.InverseColumns);
        constants.Set(19, Epsilon);
        constants.Set(20, Stage);
        constants.Set(21, (uint)Finish);
        constants.Set(22, (uint)Activation);
        constants.Set(23, Gated);
        constants.Set(24, Units);
        constants.Set(25, Workgroups);
        constants.Set(26, Places);
        constants.Set(27, Linked);
        constants.Set(28, Early);
    }
}

/// <summary>The quantizer of a row whose sizes a kernel is specialized for.</summary>
/// <param name="Columns">K.</param>
/// <param name="RowBlocks">Blocks of 64 codes.</param>
/// <param name="GroupColumns">Columns of a group.</param>
/// <param name="GroupScales">A scale for each group.</param>
/// <param name="QuantizerMode">Symmetric or asymmetric (<see cref="Reference.Quantization.ActivationMode"/>).</param>
/// <param name="CodeBits">Bits of a code, at most 8.</param>
/// <param name="InverseLevels">1/Q, or 1/L.</param>
internal readonly record struct GemvRow(int Columns, int RowBlocks, int GroupColumns, bool GroupScales, uint QuantizerMode, int CodeBits, float InverseLevels)
{
    /// <summary>fl(1/K).</summary>
    public float InverseColumns => 1f / Columns;
}

/// <summary>What becomes of the products of <see cref="GemvShader"/>.</summary>
internal enum GemvFinish : uint
{
    /// <summary>Stored, or added to the residual stream.</summary>
    Store,

    /// <summary>f of them is stored.</summary>
    Activation,

    /// <summary>The first half are gates: f(gate)·up is stored.</summary>
    Gate,
}
