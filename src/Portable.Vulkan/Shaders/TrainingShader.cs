using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>A shader of shaders/training whose first constant is its workgroup.</summary>
/// <typeparam name="TPush">Its push constants.</typeparam>
internal abstract record TrainingShader<TPush> : Shader<TPush>
    where TPush : unmanaged
{
    /// <summary>Invocations, 64 or 256.</summary>
    public required int Workgroup { get; init; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants) => constants.Set(0, Workgroup);
}

/// <summary>One of them that reads weights of a checkpoint (shaders/include/training_weights.glsl).</summary>
/// <typeparam name="TPush">Its push constants.</typeparam>
internal abstract record TrainingWeightShader<TPush> : TrainingShader<TPush>
    where TPush : unmanaged
{
    /// <summary>Element type of the float weights.</summary>
    public required TableType TableType { get; init; }

    /// <summary>Whether a·bᵀ is added.</summary>
    public bool RankOne { get; init; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, (uint)TableType);
        constants.Set(2, RankOne);
    }
}
