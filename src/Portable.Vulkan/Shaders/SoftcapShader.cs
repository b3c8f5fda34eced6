using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/model/softcap.comp: c·tanh(x/c) of logits, in place.</summary>
internal sealed record SoftcapShader : Shader<SoftcapPush>
{
    /// <summary>Logits of a workgroup.</summary>
    public required int Workgroup { get; init; }

    /// <summary>c.</summary>
    public required float Softcap { get; init; }

    /// <summary>fl(1/c).</summary>
    private float InverseSoftcap => 1f / Softcap;

    /// <inheritdoc/>
    public override string Name => "softcap";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Softcap);
        constants.Set(2, InverseSoftcap);
    }
}

/// <summary>Push constants of <see cref="SoftcapShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct SoftcapPush(ulong Logits, uint Vocabulary);
