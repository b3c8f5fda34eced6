using System.Runtime.InteropServices;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>How a shader quantizes a row (constants of shaders/model/prepare.comp and include/decode.glsl).</summary>
/// <param name="QuantizerMode">An <see cref="ActivationMode"/>, or <see cref="FloatMode"/>.</param>
/// <param name="CodeBits">Bits of a code.</param>
/// <param name="HasMap">Whether columns go through a map.</param>
/// <param name="GroupCapacity">Groups in shared memory.</param>
/// <param name="GroupWords">Words of four codes in a group's blocks.</param>
/// <param name="Quads">Whether a word's four values are neighbours and rows start on 16 bytes.</param>
/// <param name="Held">Words of an invocation whose values stay in registers.</param>
/// <param name="ScaleSpan">Groups that share a scale, where a row has several.</param>
internal readonly record struct RowQuantizer(uint QuantizerMode, int CodeBits, bool HasMap, uint GroupCapacity, uint GroupWords, bool Quads, uint Held, uint ScaleSpan = 1)
{
    /// <summary>The mode that keeps values as f32.</summary>
    public const uint FloatMode = 3;

    /// <summary>Leaves the row as it is.</summary>
    public static RowQuantizer None => new(FloatMode, 8, false, 1, 1, false, 1);

    /// <summary>Writes the constants from an id on.</summary>
    public void Specialize(SpecializationConstants constants, uint first)
    {
        constants.Set(first, QuantizerMode);
        constants.Set(first + 1, CodeBits);
        constants.Set(first + 2, HasMap);
        constants.Set(first + 3, GroupCapacity);
        constants.Set(first + 4, GroupWords);
        constants.Set(first + 5, Quads);
        constants.Set(first + 6, Held);
        constants.Set(40, ScaleSpan);
    }
}

/// <summary>Sizes of a quantizer (shaders/include/prepare_push.glsl, Quantizer).</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct QuantizerSizes
{
    /// <summary>K' columns of the codes.</summary>
    public uint Columns;

    /// <summary>Columns of a group.</summary>
    public uint GroupColumns;

    /// <summary>Words of four codes in a group's blocks.</summary>
    public uint GroupWords;

    /// <summary>Groups.</summary>
    public uint Groups;

    /// <summary>Words of a row.</summary>
    public uint RowWords;

    /// <summary>Scales of a row.</summary>
    public uint Scales;

    /// <summary>1/Q, 1/L, or 1/s of a static quantizer.</summary>
    public float InverseLevels;

    /// <summary>s of a static quantizer.</summary>
    public float StaticScale;
}

/// <summary>How a decode step's row is quantized, in device memory (shaders/include/decode.glsl, InRowQuantizer).</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct RowQuantizerMemory(ulong Map, ActivationAddresses Prepared, QuantizerSizes Quantizer);
