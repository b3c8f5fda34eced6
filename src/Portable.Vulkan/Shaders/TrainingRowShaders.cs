using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/training/train_norm.comp: a norm forward.</summary>
internal sealed record TrainingNormShader : TrainingShader<TrainingNormPush>
{
    /// <summary>LayerNorm, which has one.</summary>
    public bool Bias { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_norm";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, Bias);
    }
}

/// <summary>Push constants of <see cref="TrainingNormShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingNormPush(ulong X, ulong Gain, ulong Bias, ulong Normalized, ulong Reciprocals, ulong Y, uint Columns, float InverseColumns, float Epsilon);

/// <summary>shaders/training/train_norm_backward.comp: a norm backward.</summary>
internal sealed record TrainingNormBackwardShader : TrainingShader<TrainingNormBackwardPush>
{
    /// <summary>LayerNorm.</summary>
    public bool Bias { get; init; }

    /// <summary>Whether the gradient is added to what is there.</summary>
    public bool Added { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_norm_backward";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, Bias);
        constants.Set(2, Added);
    }
}

/// <summary>Push constants of <see cref="TrainingNormBackwardShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingNormBackwardPush(ulong Dy, ulong Gain, ulong Normalized, ulong Reciprocals, ulong Dx, uint Columns, float InverseColumns);

/// <summary>shaders/training/train_quantize.comp: activations through the quantizer.</summary>
internal sealed record TrainingQuantizeShader : TrainingShader<TrainingQuantizePush>
{
    /// <inheritdoc/>
    public override string Name => "train_quantize";
}

/// <summary>Push constants of <see cref="TrainingQuantizeShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingQuantizePush(ulong X, ulong Y, uint Columns, uint GroupColumns, uint Groups, uint RowsPerToken, float Levels, float InverseLevels);

/// <summary>shaders/training/train_quantize_backward.comp: gradients back through it.</summary>
internal sealed record TrainingQuantizeBackwardShader : TrainingShader<TrainingQuantizeBackwardPush>
{
    /// <inheritdoc/>
    public override string Name => "train_quantize_backward";
}

/// <summary>Push constants of <see cref="TrainingQuantizeBackwardShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingQuantizeBackwardPush(ulong X, ulong Gradient, uint Columns, uint GroupColumns, uint Groups, uint RowsPerToken, float Levels, float InverseLevels);

/// <summary>shaders/training/train_add.comp: sums of rows.</summary>
internal sealed record TrainingAddShader : TrainingShader<TrainingAddPush>
{
    /// <summary>Whether the second operand is one row for all.</summary>
    public bool OneRow { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_add";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, OneRow);
    }
}

/// <summary>Push constants of <see cref="TrainingAddShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingAddPush(ulong A, ulong B, ulong Y, uint Columns);

/// <summary>shaders/training/train_column_sums.comp: sums of columns in the order of the rows.</summary>
internal sealed record TrainingColumnSumsShader : TrainingShader<TrainingColumnSumsPush>
{
    /// <summary>Whether a is multiplied by b.</summary>
    public bool Product { get; init; }

    /// <summary>Whether rows have weights.</summary>
    public bool Weighted { get; init; }

    /// <summary>Element type of b.</summary>
    public TableType TableType { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_column_sums";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, Product);
        constants.Set(2, Weighted);
        constants.Set(3, (uint)TableType);
    }
}

/// <summary>Push constants of <see cref="TrainingColumnSumsShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingColumnSumsPush(ulong A, ulong B, ulong Weight, ulong Sums, uint Rows, uint Columns);

/// <summary>shaders/training/train_column_squares.comp: Σ x² of columns in f64.</summary>
internal sealed record TrainingColumnSquaresShader : TrainingShader<TrainingColumnSquaresPush>
{
    /// <inheritdoc/>
    public override string Name => "train_column_squares";
}

/// <summary>Push constants of <see cref="TrainingColumnSquaresShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingColumnSquaresPush(ulong X, ulong Sums, uint Rows, uint Columns);

/// <summary>shaders/training/train_loss_sums.comp: what the losses of a token need.</summary>
internal sealed record TrainingLossSumsShader : TrainingShader<TrainingLossSumsPush>
{
    /// <inheritdoc/>
    public override string Name => "train_loss_sums";
}

/// <summary>Push constants of <see cref="TrainingLossSumsShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingLossSumsPush(ulong Y, ulong Target, ulong Sums, uint Columns);

/// <summary>shaders/training/train_loss_gradient.comp: the gradient of both teachers' losses.</summary>
internal sealed record TrainingLossGradientShader : TrainingShader<TrainingLossGradientPush>
{
    /// <summary>Whether there are two teachers.</summary>
    public bool Both { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_loss_gradient";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, Both);
    }
}

/// <summary>Push constants of <see cref="TrainingLossGradientShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingLossGradientPush(ulong Y, ulong First, ulong Second, ulong Factors, ulong Dy, uint Columns);
