using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Blocks;
using Portable.Reference.Threading;

namespace Portable.Reference.Operations;

/// <summary>
/// Causal attention with grouped query heads over a <see cref="KeyValueCache"/>. Rows are independent: how tokens are cut
/// into calls never changes a bit.
/// </summary>
internal static class Attention
{
    // Scores of a piece stay in the second-level cache.
    private const int ScoreBytes = 512 * 1024, MaximumPieceRows = 64, LeastPieceRows = 16, PiecesPerThread = 3;

    /// <summary>Attends every row to its own sequence up to and including its position.</summary>
    /// <param name="queries">Rows of heads × head size, after rotary.</param>
    /// <param name="cache">Keys and values, which already hold every position up to the rows' own.</param>
    /// <param name="sequenceOfRow">Sequence of each row.</param>
    /// <param name="positionOfRow">Position of each row; fastest where neighbours are ascending positions of one sequence.</param>
    /// <param name="layout">Heads, which are the cache's, and how they attend.</param>
    /// <param name="output">rows × (heads · head size).</param>
    /// <param name="queryStride">Elements from one row of queries to the next; 0 = heads · head size.</param>
    /// <param name="tokens">
    /// Makes the queries of a row that belong to a key and value head, and appends its key and value, just before they are attended to and
    /// by the same thread, which has them at hand then; null = all is there. Rows must be of different sequences.
    /// </param>
    /// <exception cref="ArgumentException">Shapes do not fit, or a sequence or position is outside the cache.</exception>
    public static unsafe void Compute(ReadOnlySpan<float> queries, KeyValueCache cache, ReadOnlySpan<int> sequenceOfRow, ReadOnlySpan<int> positionOfRow, AttentionLayout layout, Span<float> output, int queryStride = 0, INewTokens? tokens = null)
    {
        int width = layout.QueryWidth, rows = positionOfRow.Length;
        int stride = queryStride == 0 ? width : queryStride;
        if (layout.KeyValueHeads != cache.KeyValueHeads || layout.HeadSize != cache.HeadSize || layout.Heads % layout.KeyValueHeads != 0 || sequenceOfRow.Length != rows || queries.Length < (long)(rows - 1) * stride + width || output.Length < (long)rows * width)
        {
            throw new ArgumentException($"{layout.Heads} heads of {layout.HeadSize} and {rows} rows do not fit the cache, the queries or the output.");
        }

        for (int row = 0; row < rows; row++)
        {
            if ((uint)sequenceOfRow[row] >= (uint)cache.Sequences || (uint)positionOfRow[row] >= (cache.Wraps ? int.MaxValue : (uint)cache.Capacity))
            {
                throw new ArgumentException($"Position {positionOfRow[row]} of sequence {sequenceOfRow[row]} is outside the cache.");
            }
        }

        fixed (float* q = queries, o = output)
        {
            AttentionPiece[] pieces = Cut(cache, sequenceOfRow, positionOfRow, layout, parts: 1);
            bool alone = pieces.Length == rows * layout.KeyValueHeads;
            if (tokens is not null && !alone)
            {
                throw new ArgumentException("Rows of one sequence need each other's keys: they are appended before.", nameof(tokens));
            }

            float* all = q;
            bool digits = alone && cache.Bits == 16;
            int parts = digits ? 1 : Parts(layout, rows);
            AttentionCall call = new(q, stride, o, cache, positionOfRow.ToArray(), layout, layout.GroupHeads / parts);
            int stretches = digits ? ContextStretches.Count(pieces.Length, ContextStretches.Longest(call, pieces), WorkerPool.Threads) : 1;
            if (stretches > 1)
            {
                ContextStretches.Run(call, pieces, stretches, tokens);
                return;
            }

            if (parts > 1)
            {
                pieces = Cut(cache, sequenceOfRow, positionOfRow, layout, parts);

                // Several threads attend to a key that one of them would append.
                for (int i = 0; tokens is not null && i < rows * layout.KeyValueHeads; i++)
                {
                    Prepare(i / layout.KeyValueHeads, i % layout.KeyValueHeads);
                }
            }

            bool beside = parts == 1 && tokens is not null;
            WorkerPool.Run(pieces.Length, i =>
            {
                if (beside)
                {
                    Prepare(pieces[i].FirstRow, pieces[i].KeyValueHead);
                }

                switch (cache.Bits, Vector512.IsHardwareAccelerated)
                {
                    case (32, true): FloatAttention.Run<Simd512, Vector512<float>>(call, pieces[i]); break;
                    case (32, false): FloatAttention.Run<Simd256, Vector256<float>>(call, pieces[i]); break;
                    case (16, true): DigitAttention.Run<Simd512, Vector512<float>>(call, pieces[i]); break;
                    case (16, false): DigitAttention.Run<Simd256, Vector256<float>>(call, pieces[i]); break;
                    case (_, true): IntegerAttention.Run<Simd512, Vector512<float>>(call, pieces[i]); break;
                    default: IntegerAttention.Run<Simd256, Vector256<float>>(call, pieces[i]); break;
                }
            });

            void Prepare(int row, int head)
            {
                int heads = layout.GroupHeads * layout.HeadSize;
                tokens!.Turn(row, head, new Span<float>(all + ((long)row * stride) + ((long)head * heads), heads));
                tokens.Append(row, head);
            }
        }
    }

    /// <summary>What a query row keeps at hand: all its scores, or one stretch of them.</summary>
    private static long RowBytes(KeyValueCache cache, int position) => cache.Bits == 16 ? DigitAttention.RowBytes(cache.HeadSize) : (position + 1L) * sizeof(float);

    /// <summary>Among how many pieces the query heads of a key head are shared: one, unless there are fewer keys to attend to than threads.</summary>
    private static int Parts(AttentionLayout layout, int rows)
    {
        int parts = 1;
        for (int more = 2; more <= layout.GroupHeads && rows * layout.KeyValueHeads * parts < WorkerPool.Threads; more++)
        {
            parts = layout.GroupHeads % more == 0 ? more : parts;
        }

        return parts;
    }

    /// <summary>Runs of ascending positions of one sequence, cut so that scores fit the cache and every thread has some, for parts of the query heads of each key and value head.</summary>
    private static AttentionPiece[] Cut(KeyValueCache cache, ReadOnlySpan<int> sequences, ReadOnlySpan<int> positions, AttentionLayout layout, int parts)
    {
        List<AttentionPiece> pieces = [];
        int group = layout.GroupHeads / parts;
        int most = Math.Clamp(positions.Length * cache.KeyValueHeads / (PiecesPerThread * WorkerPool.Threads), LeastPieceRows, MaximumPieceRows);
        for (int first = 0, end; first < positions.Length; first = end)
        {
            end = first + 1;
            while (end < positions.Length && end - first < most && sequences[end] == sequences[first] && positions[end] >= positions[end - 1]
                && (end - first) * group * RowBytes(cache, positions[end]) < ScoreBytes)
            {
                end++;
            }

            for (int head = 0; head < cache.KeyValueHeads * parts; head++)
            {
                pieces.Add(new AttentionPiece(sequences[first], head / parts, head * group, first, end - first));
            }
        }

        // Later rows see more keys: the longest pieces first, so that no thread ends up waiting for one.
        pieces.Reverse();
        return [.. pieces];
    }
}

/// <summary>The rows firstRow … firstRow + rows − 1 of a call, which are of one sequence, and query heads of one key head, from the first on.</summary>
internal readonly record struct AttentionPiece(int Sequence, int KeyValueHead, int FirstHead, int FirstRow, int Rows);

/// <summary>What all pieces of a call share. A "query row" is one token and one query head: token-major, heads of the piece inner.</summary>
internal sealed unsafe class AttentionCall(float* queries, int queryStride, float* output, KeyValueCache cache, int[] positions, AttentionLayout layout, int heads)
{
    public KeyValueCache Cache => cache;

    /// <summary>Query heads of a piece, all of one key head.</summary>
    public int Group => heads;

    /// <summary>Factor of the scores.</summary>
    public float Scale => layout.Scale;

    /// <summary>Softcap of the scores, 0 = none.</summary>
    public float Softcap => layout.Softcap;

    /// <summary>The first chunk that a row of the piece sees; earlier ones are not looked at.</summary>
    public int FirstChunk(AttentionPiece piece) => layout.FirstSeen(Position(piece, 0)) / KeyValueCache.ChunkSize;

    /// <summary>The chunk behind the last that a piece sees.</summary>
    public int Chunks(AttentionPiece piece) => (positions[piece.FirstRow + piece.Rows - 1] / KeyValueCache.ChunkSize) + 1;

    /// <summary>The first position that a query row sees.</summary>
    public int FirstSeen(AttentionPiece piece, int queryRow) => layout.FirstSeen(Position(piece, queryRow));

    /// <summary>The first query row whose window begins behind a key; their number where none does.</summary>
    public int FirstPast(AttentionPiece piece, int key)
    {
        int low = 0, high = piece.Rows;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = layout.FirstSeen(positions[piece.FirstRow + middle]) <= key ? (middle + 1, high) : (low, middle);
        }

        return low * Group;
    }

    /// <summary>The keys that a query row sees, counted from the piece's first chunk.</summary>
    public Range Seen(AttentionPiece piece, int queryRow)
    {
        int position = Position(piece, queryRow), origin = FirstChunk(piece) * KeyValueCache.ChunkSize;
        return (layout.FirstSeen(position) - origin)..(position + 1 - origin);
    }

    /// <summary>Position of a query row, 0 … Rows · Group − 1.</summary>
    public int Position(AttentionPiece piece, int queryRow) => positions[piece.FirstRow + queryRow / Group];

    /// <summary>The first query row that sees a key; their number where none does.</summary>
    public int FirstSeeing(AttentionPiece piece, int key)
    {
        int low = 0, high = piece.Rows;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = positions[piece.FirstRow + middle] < key ? (middle + 1, high) : (low, middle);
        }

        return low * Group;
    }

    /// <summary>The query of a query row.</summary>
    public ReadOnlySpan<float> Query(AttentionPiece piece, int queryRow) =>
        new(queries + (long)(piece.FirstRow + queryRow / Group) * queryStride + (piece.FirstHead + queryRow % Group) * cache.HeadSize, cache.HeadSize);

    /// <summary>Where the result of a query row goes.</summary>
    public Span<float> Output(AttentionPiece piece, int queryRow) =>
        new(output + ((long)(piece.FirstRow + queryRow / Group) * layout.Heads + piece.FirstHead + queryRow % Group) * cache.HeadSize, cache.HeadSize);
}
