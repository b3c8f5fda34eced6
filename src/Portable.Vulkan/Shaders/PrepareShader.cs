using System.Runtime.InteropServices;
using Portable.Reference.Blocks;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/model/prepare.comp: a row through a norm, an activation, a gate or nothing, then quantized, kept as f32, or added to the residual stream.</summary>
internal sealed record PrepareShader : Shader<PreparePush>
{
    /// <summary>Invocations of a workgroup.</summary>
    public required int Workgroup { get; init; }

    /// <summary>How the row is quantized.</summary>
    public required RowQuantizer Quantizer { get; init; }

    /// <summary>What the row goes through before.</summary>
    public required PrepareSource Source { get; init; }

    /// <summary>Whether rows are those of a selection.</summary>
    public bool SelectedRows { get; init; }

    /// <summary>Floats of a row held in shared memory, a multiple of 64.</summary>
    public int Stage { get; init; } = 64;

    /// <summary>Workgroups of a row.</summary>
    public int Parts { get; init; } = 1;

    /// <summary>The activation of an MLP, alone or of a gate.</summary>
    public ActivationKind Activation { get; init; }

    /// <summary>Whether f32 output is added to what is there.</summary>
    public bool Residual { get; init; }

    /// <inheritdoc/>
    public override string Name => "prepare";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        Quantizer.Specialize(constants, 1);
        constants.Set(8, (uint)Source);
        constants.Set(9, SelectedRows);
        constants.Set(10, Stage);
        constants.Set(11, Parts);
        constants.Set(12, (uint)Activation);
        constants.Set(13, Residual);
    }
}

/// <summary>What a row goes through before it is quantized.</summary>
internal enum PrepareSource : uint
{
    Copy,
    RmsNorm,
    LayerNorm,
    Gate,
    Activation,
}

/// <summary>Push constants of <see cref="PrepareShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct PreparePush
{
    public ulong X;
    public ulong Norm;
    public ulong Selection;
    public ulong Y;
    public ulong Map;
    public ActivationAddresses Prepared;
    public QuantizerSizes Quantizer;
    public uint SourceColumns;
    public float InverseColumns;
    public float Epsilon;
}
