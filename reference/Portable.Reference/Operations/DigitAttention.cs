using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Portable.Reference.Arithmetic;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Reference.Operations;

/// <summary>
/// Attention over keys and values of 16-bit codes (docs/float-contract.md): stretch by stretch of 64 positions, scores and weighted
/// sums are exact integers, each rounded once to f32; a stretch's probability codes are relative to its own largest contribution,
/// and stretches are added in ascending order around the largest score so far.
/// </summary>
/// <remarks>
/// Operands are pairs of int16 in 32-bit lanes: the digits of a query or of a row of probabilities, in two rows, times whole codes
/// of keys or values as they lie in the cache.
/// </remarks>
internal static unsafe class DigitAttention
{
    private const int ChunkSize = KeyValueCache.ChunkSize;

    // Steps between two looks ahead: the lines that are on their way meanwhile are fewer than a core can wait for.
    private const int StreamSteps = 8, Line = 64;

    // Rows whose scores stay in the first-level cache from one step of a softmax to the next.
    private const int SoftmaxRows = 16;

    // Keys and values of a layer that are less stay in a cache from token to token, and asking for them is in the way.
    private const long StreamedBytes = 512 * 1024;

    /// <summary>Bytes of scratch memory of a query row.</summary>
    public static int RowBytes(int headSize) => (2 * ChunkSize + 4 * headSize) * sizeof(int);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TSimd, TVector>(AttentionCall call, AttentionPiece piece)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        KeyValueCache cache = call.Cache;
        int size = cache.HeadSize, rows = piece.Rows * call.Group, width = Tiles.PanelColumns<TSimd, TVector>(), pairs = (size + 1) / 2;
        int chunks = call.Chunks(piece), padded = (size + width - 1) / width * width;
        int* queries = Scratch.Get<int>(0, (long)rows * 2 * pairs), scores = Scratch.Get<int>(1, (long)rows * 2 * ChunkSize);
        DigitRow* states = Scratch.Get<DigitRow>(2, rows);
        int* sums = Scratch.Get<int>(3, (long)rows * 2 * padded);
        float* attended = Scratch.Get<float>(4, (long)rows * padded);
        new Span<float>(attended, rows * padded).Clear();
        bool streams = piece.Rows == 1 && Streams(call, piece);
        Span<int> codes = stackalloc int[size];
        for (int row = 0; row < rows; row++)
        {
            states[row] = new DigitRow(DigitCodes.Quantize(call.Query(piece, row), codes));
            DigitCodes.StorePairs(codes, queries + (long)row * 2 * pairs);
        }

        for (int c = call.FirstChunk(piece); c < chunks; c++)
        {
            // Rows from first on have come to the chunk, those from past on have left it behind their window.
            int first = call.FirstSeeing(piece, c * ChunkSize), past = call.FirstPast(piece, c * ChunkSize + ChunkSize - 1);
            Multiply<TSimd, TVector>(call, piece, c, first, past, queries, pairs, states, scores, sums, padded, streams, chunks);
            for (int row = first; row < past; row++)
            {
                states[row].Take(states[row].Stretch);
                states[row].Add(sums + (long)row * 2 * padded, padded, attended + (long)row * padded);
            }
        }

        for (int row = 0; row < rows; row++)
        {
            states[row].Finish(attended + (long)row * padded, call.Output(piece, row));
        }
    }

    /// <summary>Chunks of one token's context, to be added by <see cref="Join"/> when all of them are there.</summary>
    /// <param name="call">What all pieces share.</param>
    /// <param name="piece">One row.</param>
    /// <param name="begin">The first chunk.</param>
    /// <param name="end">The chunk behind the last.</param>
    /// <param name="turned">The piece's queries, heads × head size.</param>
    /// <param name="parts">Of the first chunk: for each query head <see cref="PartFloats"/>; other chunks behind it.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RunChunks<TSimd, TVector>(AttentionCall call, AttentionPiece piece, int begin, int end, ReadOnlySpan<float> turned, float* parts)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        KeyValueCache cache = call.Cache;
        int size = cache.HeadSize, rows = call.Group, pairs = (size + 1) / 2, padded = Padded(size), stride = PartFloats(size);
        int* queries = Scratch.Get<int>(0, (long)rows * 2 * pairs), scores = Scratch.Get<int>(1, (long)rows * 2 * ChunkSize);
        DigitRow* states = Scratch.Get<DigitRow>(2, rows);
        int* sums = Scratch.Get<int>(3, (long)rows * 2 * padded);
        bool streams = Streams(call, piece);
        Span<int> codes = stackalloc int[size];
        for (int row = 0; row < rows; row++)
        {
            states[row] = new DigitRow(DigitCodes.Quantize(turned.Slice(row * size, size), codes));
            DigitCodes.StorePairs(codes, queries + (long)row * 2 * pairs);
        }

        for (int c = begin; c < end; c++)
        {
            Multiply<TSimd, TVector>(call, piece, c, 0, rows, queries, pairs, states, scores, sums, padded, streams, end);
            for (int row = 0; row < rows; row++, parts += stride)
            {
                DigitRow.Round(sums + (long)row * 2 * padded, padded, parts);
                *(DigitStretch*)(parts + padded) = states[row].Stretch;
            }
        }
    }

    /// <summary>Adds the chunks of one token's context in ascending order.</summary>
    /// <param name="call">What all pieces share.</param>
    /// <param name="piece">One row.</param>
    /// <param name="chunks">How many its context has.</param>
    /// <param name="parts">Of <see cref="RunChunks"/>, those of the first chunk first.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Join(AttentionCall call, AttentionPiece piece, int chunks, float* parts)
    {
        int size = call.Cache.HeadSize, padded = Padded(size), stride = PartFloats(size);
        float* attended = Scratch.Get<float>(4, padded);
        for (int row = 0; row < call.Group; row++)
        {
            DigitRow state = new(0);
            new Span<float>(attended, padded).Clear();
            for (int c = 0; c < chunks; c++)
            {
                float* part = parts + (((long)c * call.Group) + row) * stride;
                state.Take(*(DigitStretch*)(part + padded));
                state.Add(part, padded, attended);
            }

            state.Finish(attended, call.Output(piece, row));
        }
    }

    /// <summary>Elements that a query head keeps of a chunk: its sums, and a <see cref="DigitStretch"/>; whole cache lines.</summary>
    public static int PartFloats(int headSize) => Padded(headSize) + Line / sizeof(float);

    private static bool Streams(AttentionCall call, AttentionPiece piece) =>
        (long)(call.Chunks(piece) - call.FirstChunk(piece)) * ChunkSize * call.Cache.KeyValueHeads * call.Cache.HeadSize * sizeof(int) > StreamedBytes;

    // A whole number of the widest vectors.
    private static int Padded(int headSize) => (headSize + VectorContract.WideLanes - 1) / VectorContract.WideLanes * VectorContract.WideLanes;

    /// <summary>Scores, codes and sums of a chunk, of the rows that see it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply<TSimd, TVector>(AttentionCall call, AttentionPiece piece, int c, int first, int past, int* queries, int pairs, DigitRow* states, int* scores, int* sums, int padded, bool streams, int end)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        KeyValueCache cache = call.Cache;
        CachePlace place = cache.PlaceOf(piece.Sequence, c);
        int token = cache.TokenOf(piece.KeyValueHead, place);
        fixed (float* keyScales = &cache.KeyScales[place.Bank][token], valueScales = &cache.ValueScales[place.Bank][token])
        fixed (byte* keys = cache.KeyChunk(piece.KeyValueHead, place), values = cache.ValueChunk(piece.KeyValueHead, place))
        {
            MultiplyKeys<TSimd, TVector>(call, piece, c, first, queries, pairs, (float*)keys, scores, streams ? values : null);
            for (int row = first; row < past; row += SoftmaxRows)
            {
                Softmax(call, piece, c, row, Math.Min(row + SoftmaxRows, past), states, scores, keyScales, valueScales);
            }

            fixed (byte* next = streams && c + 1 < end ? cache.KeyChunk(piece.KeyValueHead, cache.PlaceOf(piece.Sequence, c + 1)) : default)
            {
                MultiplyValues<TSimd, TVector>(call, piece, c, first, scores, (float*)values, cache.HeadSize, sums, padded, next);
            }
        }
    }

    /// <summary>A product of a single token. Where keys and values come from memory, some steps at a time, while what is read next is asked for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Stream<TSimd, TVector>(float* a, int aStride, int rows, float* b, int bStride, int steps, float* c, int cStride, int columns, byte* next)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        int slice = next == null ? steps : StreamSteps, bytes = Sse.IsSupported && next != null ? slice * bStride * sizeof(float) : 0;
        for (int done = 0; done < steps; done += slice, next += bytes)
        {
            for (int line = 0; line < bytes; line += Line)
            {
                Sse.Prefetch1(next + line);
            }

            Tiles.Run<TSimd, TVector, PairDot>(a + done, aStride, rows, b + (long)done * bStride, bStride, Math.Min(slice, steps - done), c, cStride, columns, done == 0 ? TileStart.Zero : TileStart.Continue);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Softmax(AttentionCall call, AttentionPiece piece, int c, int first, int end, DigitRow* states, int* scores, float* keyScales, float* valueScales)
    {
        int* seen = stackalloc int[SoftmaxRows];
        for (int row = first; row < end; row++)
        {
            int from = Math.Max(0, call.FirstSeen(piece, row) - c * ChunkSize);
            seen[row - first] = Math.Min(ChunkSize, call.Position(piece, row) + 1 - c * ChunkSize);
            states[row].Score(scores + (long)row * 2 * ChunkSize, from, seen[row - first], call.Scale, call.Softcap, keyScales);
        }

        for (int row = first; row < end; row++)
        {
            states[row].Weigh(scores + (long)row * 2 * ChunkSize, seen[row - first], valueScales);
        }

        for (int row = first; row < end; row++)
        {
            states[row].Encode(scores + (long)row * 2 * ChunkSize, seen[row - first]);
        }
    }

    /// <summary>Scores of the high digits (64), then of the low digits (64), of each row that sees the chunk.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyKeys<TSimd, TVector>(AttentionCall call, AttentionPiece piece, int c, int first, int* queries, int pairs, float* keys, int* scores, byte* next)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        if (piece.Rows == 1)
        {
            int seen = call.Position(piece, 0) - c * ChunkSize < ChunkSize / 2 ? ChunkSize / 2 : ChunkSize;
            Stream<TSimd, TVector>((float*)queries, pairs, 2 * call.Group, keys, ChunkSize, pairs, (float*)scores, ChunkSize, seen, next);
            return;
        }

        // Rows before the middle of the chunk need half of it.
        int rows = piece.Rows * call.Group, whole = call.FirstSeeing(piece, c * ChunkSize + ChunkSize / 2);
        Multiply(first, whole - first, ChunkSize / 2);
        Multiply(whole, rows - whole, ChunkSize);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        void Multiply(int row, int count, int columns) => Tiles.Run<TSimd, TVector, PairDot>(
            (float*)queries + (long)row * 2 * pairs, pairs, 2 * count, keys, ChunkSize, pairs, (float*)scores + (long)row * 2 * ChunkSize, ChunkSize, columns, TileStart.Zero);
    }

    /// <summary>Sums of the high digits, then of the low digits, of each row that sees the chunk.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void MultiplyValues<TSimd, TVector>(AttentionCall call, AttentionPiece piece, int c, int first, int* digits, float* values, int size, int* sums, int padded, byte* next)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        if (piece.Rows == 1)
        {
            int pairs = (Math.Min(call.Position(piece, 0) - c * ChunkSize + 1, ChunkSize) + 1) / 2;
            Stream<TSimd, TVector>((float*)digits, ChunkSize, 2 * call.Group, values, size, pairs, (float*)sums, padded, size, next);
            return;
        }

        // Rows that see the whole chunk go together; those before, a few at a time, need the positions up to their own.
        int rows = piece.Rows * call.Group, whole = call.FirstSeeing(piece, c * ChunkSize + ChunkSize - 1);
        for (int row = first; row < whole; row += MicroKernel.Rows)
        {
            int count = Math.Min(MicroKernel.Rows, whole - row);
            Multiply(row, count, call.Position(piece, row + count - 1) - c * ChunkSize + 1);
        }

        Multiply(whole, rows - whole, ChunkSize);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        void Multiply(int row, int count, int positions) => Tiles.Run<TSimd, TVector, PairDot>(
            (float*)digits + (long)row * 2 * ChunkSize, ChunkSize, 2 * count, values, size, (positions + 1) / 2, (float*)sums + (long)row * 2 * padded, padded, size, TileStart.Zero);
    }
}
