using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/include/decode.glsl: one new token a sequence, from its heads to the codes of the output projection.</summary>
internal abstract record DecodeShader : AttentionShader<DecodePush>
{
    /// <summary>Scores in shared memory, or 1: in scratch memory.</summary>
    public required int ScoreCapacity { get; init; }

    /// <summary>How the row is quantized.</summary>
    public required RowQuantizer Quantizer { get; init; }

    /// <summary>What this dispatch does.</summary>
    public required DecodePart Part { get; init; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(7, ScoreCapacity);
        Quantizer.Specialize(constants, 8);
        constants.Set(15, (uint)Part);
    }
}

/// <summary>shaders/model/decode_half.comp: over a cache of halves.</summary>
internal sealed record DecodeHalfShader : DecodeShader
{
    /// <inheritdoc/>
    public override string Name => "decode_half";
}

/// <summary>shaders/model/decode_integer.comp: over a quantized cache.</summary>
internal sealed record DecodeIntegerShader : DecodeShader
{
    /// <inheritdoc/>
    public override string Name => "decode_integer";
}

/// <summary>What a dispatch does where stretches of the context are attended apart.</summary>
internal enum DecodePart : uint
{
    All,
    Scores,
    Sums,
}

/// <summary>Push constants of <see cref="DecodeShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DecodePush
{
    public ulong Rows;
    public ulong Qkv;
    public ulong Rotary;
    public ulong Keys;
    public ulong Values;
    public ulong Parameters;
    public ulong Attended;
    public ulong Finished;
    public ulong HeadFinished;
    public ulong Scratch;
    public ulong RowQuantizer;
    public AttentionSizes Shape;
}
