using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>What W' is made of (shaders/include/training_weights.glsl).</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TransformedWeights(ulong Weights, ulong RowFactors, ulong ColumnFactors, ulong RankRow, ulong RankColumn, ulong Offsets);

/// <summary>shaders/training/train_weights.comp: quantized weights from the present parameters.</summary>
internal sealed record TrainingWeightsShader : TrainingWeightShader<TrainingWeightsPush>
{
    /// <summary>Whether D is added.</summary>
    public bool Offset { get; init; }

    /// <summary>Whether clip factors are trained.</summary>
    public bool Clipped { get; init; }

    /// <summary>Whether weights are quantized.</summary>
    public bool Quantized { get; init; }

    /// <summary>Codes instead of values.</summary>
    public bool Codes { get; init; }

    /// <summary>Whether scales are rounded to halves.</summary>
    public bool HalfScales { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_weights";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(3, Offset);
        constants.Set(4, Clipped);
        constants.Set(5, Quantized);
        constants.Set(6, Codes);
        constants.Set(7, HalfScales);
    }
}

/// <summary>Push constants of <see cref="TrainingWeightsShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingWeightsPush(TransformedWeights Source, ulong LowLogits, ulong HighLogits, ulong Ranges, ulong Result, uint Columns, uint GroupColumns, float Levels, float InverseLevels);

/// <summary>shaders/training/train_weights_backward.comp: gradients back through the weights' quantizer.</summary>
internal sealed record TrainingWeightsBackwardShader : TrainingWeightShader<TrainingWeightsBackwardPush>
{
    /// <summary>Whether D is added.</summary>
    public bool Offset { get; init; }

    /// <summary>Whether clip factors are trained.</summary>
    public bool Clipped { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_weights_backward";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(3, Offset);
        constants.Set(4, Clipped);
    }
}

/// <summary>Push constants of <see cref="TrainingWeightsBackwardShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingWeightsBackwardPush(TransformedWeights Source, ulong Ranges, ulong Gradient, ulong LowGradient, ulong HighGradient, uint Columns, uint GroupColumns, float Levels, float InverseLevels);

/// <summary>shaders/training/train_weight_rows.comp: sums over rows of gradients of weights.</summary>
internal sealed record TrainingWeightRowsShader : TrainingWeightShader<TrainingWeightRowsPush>
{
    /// <inheritdoc/>
    public override string Name => "train_weight_rows";
}

/// <summary>Push constants of <see cref="TrainingWeightRowsShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingWeightRowsPush(ulong Gradient, ulong Weights, ulong RowFactors, ulong ColumnFactors, ulong RankColumn, ulong RowLogs, ulong RankRows, uint Columns);

/// <summary>shaders/training/train_clip_search.comp: clip factors of least weighted error.</summary>
internal sealed record TrainingClipSearchShader : TrainingWeightShader<TrainingClipSearchPush>
{
    /// <summary>Whether D is added.</summary>
    public bool Offset { get; init; }

    /// <summary>Whether scales are rounded to halves.</summary>
    public bool HalfScales { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_clip_search";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(3, Offset);
        constants.Set(4, HalfScales);
    }
}

/// <summary>Push constants of <see cref="TrainingClipSearchShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingClipSearchPush(TransformedWeights Source, ulong Importance, ulong Candidates, ulong Low, ulong High, uint Columns, uint GroupColumns, uint Count, float Levels, float InverseLevels);

/// <summary>shaders/training/train_adam.comp: AdamW.</summary>
internal sealed record TrainingAdamShader : TrainingShader<TrainingAdamPush>
{
    /// <summary>Whether rows have learning rates of their own.</summary>
    public bool RowRates { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_adam";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, RowRates);
    }
}

/// <summary>Push constants of <see cref="TrainingAdamShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingAdamPush(ulong Values, ulong Gradient, ulong First, ulong Second, ulong RowRates, ulong Step, uint Columns, float Rate, float Beta1, float Beta2, float Epsilon);
