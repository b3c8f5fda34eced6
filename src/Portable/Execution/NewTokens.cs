using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;

namespace Portable.Execution;

/// <summary>The rows of a batch as the layer of queries, keys and values left them.</summary>
/// <param name="values">The rows: queries, then keys, then values.</param>
/// <param name="stride">Elements of a row.</param>
/// <param name="layout">Heads.</param>
/// <param name="rotary">Turns queries and keys; null = nothing does.</param>
/// <param name="cache">Where keys and values go.</param>
/// <param name="batch">Sequence and position of each row.</param>
internal sealed class NewTokens(float[] values, int stride, AttentionLayout layout, RotaryTable? rotary, KeyValueCache cache, Batch batch) : INewTokens
{
    private readonly int _size = layout.HeadSize;

    /// <summary>Where the queries of a row that belong to a key and value head lie.</summary>
    public Span<float> Queries(int row, int head) => values.AsSpan((row * stride) + (head * layout.GroupHeads * _size), layout.GroupHeads * _size);

    /// <inheritdoc/>
    public void Turn(int row, int head, Span<float> queries)
    {
        Queries(row, head).CopyTo(queries);
        if (rotary is not null)
        {
            int position = batch.Positions[row];
            Rotary.Apply(queries, layout.GroupHeads, _size, rotary.QueryCosine(position), rotary.QuerySine(position));
        }
    }

    /// <inheritdoc/>
    public void Append(int row, int head)
    {
        int position = batch.Positions[row];
        Span<float> key = values.AsSpan((row * stride) + layout.QueryWidth + (head * _size), _size);
        if (rotary is not null)
        {
            Rotary.Apply(key, 1, _size, rotary.Cosine(position), rotary.Sine(position));
        }

        cache.Append(batch.Sequences[row], position, head, key, values.AsSpan((row * stride) + layout.QueryWidth + layout.KeyValueWidth + (head * _size), _size));
    }
}
