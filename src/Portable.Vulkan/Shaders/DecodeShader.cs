using System.Runtime.InteropServices;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/include/decode.glsl: one new token a sequence, from its heads to the codes of the output projection.</summary>
internal abstract record DecodeShader : AttentionShader<DecodePush>
{
    /// <summary>Scores in shared memory, or 1: in scratch memory (2 … 8-bit codes).</summary>
    public required int ScoreCapacity { get; init; }

    /// <summary>How the row is quantized.</summary>
    public required RowQuantizer Quantizer { get; init; }

    /// <summary>What this dispatch does.</summary>
    public required DecodePart Part { get; init; }

    /// <summary>What the token's query and key go through.</summary>
    public required HeadPreparation Heads { get; init; }

    /// <summary>Whether it waits for what the dispatch before it leaves without a barrier (shaders/include/links.glsl); then it quantizes no row.</summary>
    public bool Linked { get; init; }

    /// <summary>Where it leaves what is attended, if it is linked: 1 for linked dispatches, 2 where it belongs.</summary>
    public uint Leaves { get; init; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(7, ScoreCapacity);
        constants.Set(27, Linked);
        constants.Set(28, Leaves);
        Quantizer.Specialize(constants, 8);
        constants.Set(15, (uint)Part);
        Heads.Specialize(constants);
    }
}

/// <summary>shaders/model/decode_digits.comp: over a cache of 16-bit codes.</summary>
internal sealed record DecodeDigitsShader : DecodeShader
{
    /// <summary>Whether it takes few registers: half of the keys and a quarter of the values in flight.</summary>
    public required bool Lean { get; init; }

    /// <inheritdoc/>
    public override string Name => "decode_digits";

    private const int Stretch = 64, MostStretches = 16;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(26, Lean);
    }

    /// <summary>Bytes of shared memory, as the shader and what it includes declare it: the token's own heads, their words and the sums of their norms, the row's quantizer; per stretch scores, digits of codes, two sums a column, and factors.</summary>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="groups">Groups of the quantizer of the attended row.</param>
    /// <param name="stretches">Stretches of 64 tokens at a time.</param>
    public static int SharedBytes(int headSize, int groups, int stretches) => (18 * headSize) + (16 * groups) + 476 + (stretches * ((6 * Stretch) + (8 * headSize) + 28));

    /// <summary>Tokens that it takes at a time: what shared memory holds, at most 1,024.</summary>
    /// <param name="device">The device.</param>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="groups">Groups of the quantizer of the attended row.</param>
    public static int Segment(VulkanDeviceFacts device, int headSize, int groups)
    {
        int stretches = MostStretches;
        while (stretches > 1 && SharedBytes(headSize, groups, stretches) > device.SharedMemoryBytes)
        {
            stretches--;
        }

        return stretches * Stretch;
    }
}

/// <summary>shaders/model/decode_integer.comp: over a cache of 2 … 8-bit codes.</summary>
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
    public ulong QueryGain;
    public ulong KeyGain;
    public AttentionSizes Shape;
}
