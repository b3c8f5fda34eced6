using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/include/append.glsl: normalises and rotates queries and keys, appends keys and values.</summary>
internal abstract record AppendShader : AttentionShader<AppendPush>
{
    /// <summary>Heads of a workgroup.</summary>
    public const int HeadsAtOnce = 4;

    /// <summary>What queries and keys go through.</summary>
    public required HeadPreparation Heads { get; init; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        Heads.Specialize(constants);
    }
}

/// <summary>shaders/model/append_codes.comp: to a cache of 2 … 8-bit codes.</summary>
internal sealed record AppendCodesShader : AppendShader
{
    /// <inheritdoc/>
    public override string Name => "append_codes";
}

/// <summary>shaders/model/append_digits.comp: to a cache of 16-bit codes.</summary>
internal sealed record AppendDigitsShader : AppendShader
{
    /// <inheritdoc/>
    public override string Name => "append_digits";
}

/// <summary>shaders/model/append_floats.comp: to a cache of f32.</summary>
internal sealed record AppendFloatsShader : AppendShader
{
    /// <inheritdoc/>
    public override string Name => "append_floats";
}

/// <summary>Push constants of <see cref="AppendShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct AppendPush(ulong Rows, ulong Qkv, ulong Rotary, ulong Keys, ulong Values, ulong Parameters, ulong Queries, ulong QueryParameters, ulong QueryGain, ulong KeyGain, AttentionSizes Shape);
