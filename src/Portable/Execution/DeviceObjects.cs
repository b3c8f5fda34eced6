using Portable.Models;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Execution;

/// <summary>A table (embedding, positions, head) held by an executor.</summary>
/// <param name="rows">Rows.</param>
/// <param name="columns">Columns.</param>
internal abstract class DeviceTable(int rows, int columns)
{
    /// <summary>Rows.</summary>
    public int Rows { get; } = rows;

    /// <summary>Columns.</summary>
    public int Columns { get; } = columns;
}

/// <summary>A normalisation held by an executor.</summary>
internal abstract class DeviceNorm;

/// <summary>Linear layers that read one input, held by an executor as one operation whose outputs lie side by side.</summary>
/// <param name="outputFeatures">Sum of the parts' output features.</param>
internal abstract class DeviceLinear(int outputFeatures)
{
    /// <summary>Columns of the output.</summary>
    public int OutputFeatures { get; } = outputFeatures;
}

/// <summary>An f32 activation, rows × columns, held by an executor for the rows of the current batch.</summary>
/// <param name="columns">Columns.</param>
internal abstract class DeviceActivation(int columns)
{
    /// <summary>Columns.</summary>
    public int Columns { get; } = columns;
}

/// <summary>What linear layers read: quantized codes, or f32 for unquantized layers.</summary>
/// <param name="spec">Quantizer and layout.</param>
internal abstract class DeviceInput(InputSpec spec)
{
    /// <summary>Quantizer and layout.</summary>
    public InputSpec Spec { get; } = spec;
}

/// <summary>Rotary tables held by an executor.</summary>
internal abstract class DeviceRotary;

/// <summary>What queries and keys of a block go through before they meet.</summary>
/// <param name="Rotary">Rotary tables, or null.</param>
/// <param name="QueryNorm">RMSNorm of the queries before they turn, or null.</param>
/// <param name="KeyNorm">RMSNorm of the keys before they turn, or null.</param>
internal sealed record DeviceHeads(DeviceRotary? Rotary, DeviceNorm? QueryNorm = null, DeviceNorm? KeyNorm = null);

/// <summary>Keys and values of one block for every sequence, held by an executor.</summary>
internal abstract class DeviceCache;

/// <summary>The quantizer in front of a linear layer and the layout of its codes; no quantizer for a float layer.</summary>
/// <param name="Columns">Source columns K.</param>
/// <param name="Quantizer">The quantizer, or null for f32 input.</param>
/// <param name="Layout">Layout of the codes, K' columns.</param>
internal sealed record InputSpec(int Columns, ActivationQuantizer? Quantizer, GroupLayout Layout)
{
    /// <summary>What a linear layer reads.</summary>
    public static InputSpec Of(LinearWeights linear, int sourceColumns) => linear.Quantized is { } q
        ? new InputSpec(sourceColumns, q.Input, q.Weights.Layout)
        : new InputSpec(linear.Float!.Columns, null, new GroupLayout(linear.Float.Columns));

    /// <summary>Whether two layers can read the same codes.</summary>
    public bool Matches(InputSpec other)
    {
        if (Columns != other.Columns || Layout != other.Layout || (Quantizer is null) != (other.Quantizer is null))
        {
            return false;
        }

        if (Quantizer is null)
        {
            return true;
        }

        ActivationQuantizer a = Quantizer, b = other.Quantizer!;
        return a with { Map = null } == b with { Map = null } && SameMap(a.Map, b.Map);
    }

    private static bool SameMap(ColumnMap? a, ColumnMap? b) =>
        ReferenceEquals(a, b)
        || (a is not null && b is not null
            && a.Source.AsSpan().SequenceEqual(b.Source) && a.Offset.AsSpan().SequenceEqual(b.Offset) && a.Limit.AsSpan().SequenceEqual(b.Limit));
}

/// <summary>Shape of one block's key and value cache.</summary>
/// <param name="Sequences">Cache slots.</param>
/// <param name="Capacity">Positions of each.</param>
/// <param name="KeyValueHeads">Key and value heads.</param>
/// <param name="HeadSize">Width of a head.</param>
/// <param name="Bits">2…8 quantized per token and head, 16 in two 8-bit digits, 32 single (unquantized models).</param>
/// <param name="Wraps">Whether later positions take the places of those a capacity before them (attention with a window).</param>
/// <param name="Table">Which pages sequences have; null = each its own.</param>
internal sealed record CacheShape(int Sequences, int Capacity, int KeyValueHeads, int HeadSize, int Bits, bool Wraps = false, PageTable? Table = null)
{
    /// <summary>The cache of a block: the whole context, or where that is less a window and the largest batch that may be fed at once.</summary>
    /// <param name="layout">How the block attends.</param>
    /// <param name="bits">Bits of the cache.</param>
    /// <param name="sequences">Cache slots.</param>
    /// <param name="context">Declared length of a sequence.</param>
    /// <param name="maximumRows">Rows of the largest batch.</param>
    /// <param name="table">Which pages sequences have; not for a cache that wraps.</param>
    public static CacheShape For(AttentionLayout layout, int bits, int sequences, int context, int maximumRows, PageTable? table = null)
    {
        bool wraps = layout.Window > 0 && (long)layout.Window + maximumRows < context;
        return new CacheShape(sequences, wraps ? layout.Window + maximumRows : context, layout.KeyValueHeads, layout.HeadSize, bits, wraps, table);
    }
}
