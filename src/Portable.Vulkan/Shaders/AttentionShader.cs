using System.Runtime.InteropServices;
using Portable.Execution;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>Head, cache and scores of an attention (constants of shaders/include/attention.glsl).</summary>
/// <param name="HeadSize">Components of a head.</param>
/// <param name="KvBits">Bits of the cache; 16: two digits.</param>
/// <param name="FieldBits">Bits of a code's field.</param>
/// <param name="InverseLevels">fl(1/(2^bits − 1)), of two digits fl(1/32639).</param>
/// <param name="ScoreScale">Factor of the scores.</param>
/// <param name="Softcap">c of c·tanh(score/c), 0 = none.</param>
/// <param name="Window">Positions that a token sees, 0 = all before it.</param>
/// <param name="Wraps">Whether later positions take the places of earlier ones in the cache.</param>
/// <param name="Paged">Whether sequences share the pages of the cache by a table.</param>
internal readonly record struct AttentionConstants(int HeadSize, int KvBits, int FieldBits, float InverseLevels, float ScoreScale, float Softcap, int Window, bool Wraps, bool Paged = false)
{
    /// <summary>fl(1/c), or 0.</summary>
    public float InverseSoftcap => Softcap == 0 ? 0 : 1f / Softcap;

    /// <summary>Those of a cache and of a block over it.</summary>
    public static AttentionConstants For(CacheShape shape, AttentionLayout layout) => new(
        shape.HeadSize, shape.Bits, FieldBitsOf(shape.Bits), shape.Bits == 32 ? 0 : 1f / (shape.Bits == 16 ? DigitCodes.Maximum : (1 << shape.Bits) - 1), layout.Scale, layout.Softcap, layout.Window, shape.Wraps, shape.Table is not null);

    /// <summary>Bits of a code's field, the next of 2, 4, 8, 16; 32 of an f32.</summary>
    public static int FieldBitsOf(int bits) => bits <= 2 ? 2 : bits <= 4 ? 4 : bits <= 8 ? 8 : bits <= 16 ? 16 : 32;
}

/// <summary>A shader that attends over a cache or appends to it.</summary>
internal abstract record AttentionShader<TPush> : Shader<TPush>
    where TPush : unmanaged
{
    /// <summary>Invocations of a workgroup.</summary>
    public required int Workgroup { get; init; }

    /// <summary>Head and cache.</summary>
    public required AttentionConstants Attention { get; init; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Attention.HeadSize);
        constants.Set(2, Attention.KvBits);
        constants.Set(3, Attention.FieldBits);
        constants.Set(4, Attention.InverseLevels);
        constants.Set(5, Attention.ScoreScale);
        constants.Set(6, Attention.Softcap);
        constants.Set(16, Attention.InverseSoftcap);
        constants.Set(17, Attention.Window);
        constants.Set(18, Attention.Wraps);
        constants.Set(25, Attention.Paged);
    }
}

/// <summary>Sizes of an attention dispatch (shaders/include/attention_shape.glsl).</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct AttentionSizes(uint Heads, uint KvHeads, uint Chunks, uint Pages);
