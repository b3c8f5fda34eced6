using System.Runtime.InteropServices;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/model/attention_append.comp: rotates queries and keys, appends keys and values.</summary>
internal sealed record AttentionAppendShader : AttentionShader<AppendPush>
{
    /// <summary>Heads of a workgroup.</summary>
    public const int HeadsAtOnce = 4;

    /// <inheritdoc/>
    public override string Name => "attention_append";
}

/// <summary>Push constants of <see cref="AttentionAppendShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct AppendPush(ulong Rows, ulong Qkv, ulong Rotary, ulong Keys, ulong Values, ulong Parameters, ulong Queries, ulong QueryParameters, AttentionSizes Shape);
