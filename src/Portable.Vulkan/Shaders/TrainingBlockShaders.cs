using System.Runtime.InteropServices;
using Portable.Reference.Blocks;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/training/train_rotary.comp: rotary positions in place.</summary>
internal sealed record TrainingRotaryShader : TrainingShader<TrainingRotaryPush>
{
    /// <summary>The transposed rotation.</summary>
    public bool Backward { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_rotary";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, Backward);
    }
}

/// <summary>Push constants of <see cref="TrainingRotaryShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingRotaryPush(ulong X, ulong Cosines, ulong Sines, uint Heads, uint HeadSize, uint Pairs);

/// <summary>shaders/training/train_gate.comp: the non-linearity of the MLP and its gradients.</summary>
internal sealed record TrainingGateShader : TrainingShader<TrainingGatePush>
{
    /// <summary>f.</summary>
    public required ActivationKind Activation { get; init; }

    /// <summary>Whether f is a gate's.</summary>
    public bool Gated { get; init; }

    /// <summary>Gradients.</summary>
    public bool Backward { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_gate";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, (uint)Activation);
        constants.Set(2, Gated);
        constants.Set(3, Backward);
    }
}

/// <summary>Push constants of <see cref="TrainingGateShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingGatePush(ulong Gate, ulong Up, ulong H, ulong DGate, ulong DUp, uint Columns);

/// <summary>shaders/training/train_heads.comp: heads from one order to the other.</summary>
internal sealed record TrainingHeadsShader : TrainingShader<TrainingHeadsPush>
{
    /// <summary>What is written is [token][head].</summary>
    public bool TokensFirst { get; init; }

    /// <summary>Heads that are added for one.</summary>
    public int Group { get; init; } = 1;

    /// <inheritdoc/>
    public override string Name => "train_heads";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, TokensFirst);
        constants.Set(2, Group);
    }
}

/// <summary>Push constants of <see cref="TrainingHeadsShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingHeadsPush(ulong X, ulong Y, uint Tokens, uint Heads, uint HeadSize);

/// <summary>Which product of attention (shaders/include/training_attention.glsl).</summary>
internal enum AttentionPart : uint
{
    /// <summary>Queries and keys, or upstream gradients and values, to a matrix of queries × keys.</summary>
    Scores,

    /// <summary>Such a matrix and rows of keys to rows of queries.</summary>
    Rows,

    /// <summary>Its transpose and rows of queries to rows of keys.</summary>
    Columns,
}

/// <summary>shaders/training/train_attention.comp, train_attention_emulated.comp: products of causal attention, a head along z.</summary>
internal abstract record TrainingAttentionShader : Shader<TrainingAttentionPush>
{
    /// <summary>Operands and tile.</summary>
    public required FloatGemmConstants Gemm { get; init; }

    /// <summary>Which product.</summary>
    public required AttentionPart Part { get; init; }

    /// <summary>Query heads that share the right operand.</summary>
    public required int Group { get; init; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        Gemm.Specialize(constants);
        constants.Set(10, (uint)Part);
        constants.Set(11, Group);
    }
}

/// <summary>Such products on devices whose fma rounds once.</summary>
internal sealed record FusedTrainingAttentionShader : TrainingAttentionShader
{
    /// <inheritdoc/>
    public override string Name => "train_attention";
}

/// <summary>Such products on devices whose fma does not.</summary>
internal sealed record EmulatedTrainingAttentionShader : TrainingAttentionShader
{
    /// <inheritdoc/>
    public override string Name => "train_attention_emulated";
}

/// <summary>Push constants of <see cref="TrainingAttentionShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingAttentionPush(ulong A, ulong B, ulong Y, uint M, uint N, uint K, uint AHead, uint BHead, uint YHead);

/// <summary>shaders/training/train_softmax.comp: products to probabilities.</summary>
internal sealed record TrainingSoftmaxShader : TrainingShader<TrainingSoftmaxPush>
{
    /// <summary>Whether scores have a softcap.</summary>
    public bool Capped { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_softmax";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, Capped);
    }
}

/// <summary>Push constants of <see cref="TrainingSoftmaxShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingSoftmaxPush(ulong Scores, ulong Slopes, uint Tokens, uint Window, float Scale, float Cap, float InverseCap);

/// <summary>shaders/training/train_softmax_backward.comp: gradients of probabilities to those of products.</summary>
internal sealed record TrainingSoftmaxBackwardShader : TrainingShader<TrainingSoftmaxBackwardPush>
{
    /// <summary>Whether scores have a softcap.</summary>
    public bool Capped { get; init; }

    /// <summary>Whether the mean over heads has a gradient.</summary>
    public bool Mean { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_softmax_backward";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, Capped);
        constants.Set(2, Mean);
    }
}

/// <summary>Push constants of <see cref="TrainingSoftmaxBackwardShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingSoftmaxBackwardPush(ulong Gradient, ulong Probabilities, ulong Slopes, ulong Mean, uint Tokens, float Scale, float InverseHeads);

/// <summary>shaders/training/train_mean_heads.comp: mean over heads of probabilities.</summary>
internal sealed record TrainingMeanHeadsShader : TrainingShader<TrainingMeanHeadsPush>
{
    /// <inheritdoc/>
    public override string Name => "train_mean_heads";
}

/// <summary>Push constants of <see cref="TrainingMeanHeadsShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingMeanHeadsPush(ulong Probabilities, ulong Mean, uint Tokens, uint Heads, float InverseHeads);

/// <summary>shaders/training/train_attention_loss.comp: the divergence of attention maps.</summary>
internal sealed record TrainingAttentionLossShader : TrainingShader<TrainingAttentionLossPush>
{
    /// <inheritdoc/>
    public override string Name => "train_attention_loss";
}

/// <summary>Push constants of <see cref="TrainingAttentionLossShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingAttentionLossPush(ulong Student, ulong Teacher, ulong Gradient, ulong Rows, uint Tokens, float Weight);
