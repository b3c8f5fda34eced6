using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/roofline/stream.comp: reads memory once.</summary>
internal sealed record StreamShader : Shader<StreamPush>
{
    /// <summary>Invocations of a workgroup.</summary>
    public required int Workgroup { get; init; }

    /// <summary>Loads in flight per invocation.</summary>
    public required int Unroll { get; init; }

    /// <inheritdoc/>
    public override string Name => "stream";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Unroll);
    }
}

/// <summary>Push constants of <see cref="StreamShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct StreamPush(ulong Source, ulong Sink, uint Vectors);
