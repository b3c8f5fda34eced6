using System.Runtime.InteropServices;
using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Model;

/// <summary>Sizes of a quantizer (shaders/include/prepare_push.glsl, Quantizer).</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct QuantizerConstants
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

/// <summary>Push constants of shaders/model/prepare.comp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct PrepareConstants
{
    public ulong Source;
    public ulong Norm;
    public ulong Selection;
    public ulong Output;
    public ulong Map;
    public ActivationAddresses Prepared;
    public QuantizerConstants Quantizer;
    public uint SourceColumns;
    public float InverseColumns;
    public float Epsilon;
    public uint Padding;
}

/// <summary>Push constants of shaders/model/embed.comp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct EmbedConstants(ulong Rows, ulong Table, ulong Positions, ulong Target, uint Columns, uint PositionOffset);

/// <summary>Push constants of shaders/model/head.comp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct HeadConstants(ulong Hidden, ulong Table, ulong Logits, uint Columns, uint Vocabulary, uint Tokens, uint Padding);

/// <summary>Sizes of an attention dispatch (shaders/include/attention_shape.glsl).</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct AttentionShapeConstants(uint Heads, uint KeyValueHeads, uint Chunks, uint Slots);

/// <summary>Push constants of shaders/model/attention_append.comp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct AppendConstants(ulong Rows, ulong QueryKeyValue, ulong Rotary, ulong Keys, ulong Values, ulong Parameters, ulong Queries, ulong QueryParameters, AttentionShapeConstants Shape);

/// <summary>Push constants of shaders/model/attention_half.comp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct HalfTileConstants(ulong Rows, ulong Tiles, ulong QueryKeyValue, ulong Keys, ulong Values, ulong Target, AttentionShapeConstants Shape);

/// <summary>Push constants of shaders/model/attention_integer.comp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct IntegerTileConstants(ulong Rows, ulong Tiles, ulong Queries, ulong QueryParameters, ulong Keys, ulong Values, ulong Parameters, ulong Target, AttentionShapeConstants Shape);

/// <summary>Push constants of shaders/model/decode_half.comp and decode_integer.comp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DecodeConstants
{
    public ulong Rows;
    public ulong QueryKeyValue;
    public ulong Rotary;
    public ulong Keys;
    public ulong Values;
    public ulong Parameters;
    public ulong Attended;
    public ulong Finished;
    public ulong HeadFinished;
    public ulong Scratch;
    public ulong RowQuantizer;
    public AttentionShapeConstants Shape;
}

/// <summary>How a decode step's row is quantized (shaders/include/decode.glsl, InRowQuantizer), in device memory.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct RowQuantizerConstants(ulong Map, ActivationAddresses Prepared, QuantizerConstants Quantizer);
