using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Reference.Operations;

/// <summary>
/// Attention over f32 keys and values: scores sequential in the components, softmax around the row's maximum, sums of
/// p and p·v sequential within each chunk of 64 positions, chunks added in ascending order.
/// </summary>
internal static unsafe class FloatAttention
{
    private const int ChunkSize = KeyValueCache.ChunkSize;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TSimd, TVector>(AttentionCall call, AttentionPiece piece)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        KeyValueCache cache = call.Cache;
        int size = cache.HeadSize, rows = piece.Rows * call.Group, width = Tiles.PanelColumns<TSimd, TVector>();
        int begin = call.FirstChunk(piece), chunks = call.Position(piece, rows - 1) / ChunkSize + 1 - begin, stride = chunks * ChunkSize, padded = (size + width - 1) / width * width;
        float* queries = Scratch.Get<float>(0, (long)rows * size), scores = Scratch.Get<float>(1, (long)rows * stride);
        float* chunk = Scratch.Get<float>(2, ChunkSize * padded), totals = Scratch.Get<float>(3, rows), sums = Scratch.Get<float>(4, (long)rows * padded);
        for (int row = 0; row < rows; row++)
        {
            call.Query(piece, row).CopyTo(new Span<float>(queries + (long)row * size, size));
        }

        for (int c = 0; c < chunks; c++)
        {
            Load(cache.KeyChunk(piece.KeyValueHead, cache.PlaceOf(piece.Sequence, begin + c)), ChunkSize, ChunkSize, chunk);
            // Rows before the middle of the chunk need half of it.
            int first = call.FirstSeeing(piece, (begin + c) * ChunkSize), whole = call.FirstSeeing(piece, (begin + c) * ChunkSize + ChunkSize / 2);
            float* query = queries + (long)first * size, score = scores + (long)first * stride + c * ChunkSize;
            Tiles.Run<TSimd, TVector, UnfusedMultiplyAdd>(query, size, whole - first, chunk, ChunkSize, size, score, stride, ChunkSize / 2, TileStart.Zero);
            Tiles.Run<TSimd, TVector, UnfusedMultiplyAdd>(query + (long)(whole - first) * size, size, rows - whole, chunk, ChunkSize, size, score + (long)(whole - first) * stride, stride, ChunkSize, TileStart.Zero);
        }

        for (int row = 0; row < rows; row++)
        {
            totals[row] = Softmax(scores + (long)row * stride, call.Seen(piece, row), call.Scale, call.Softcap);
        }

        for (int c = 0; c < chunks; c++)
        {
            Load(cache.ValueChunk(piece.KeyValueHead, cache.PlaceOf(piece.Sequence, begin + c)), size, padded, chunk);
            for (int row = call.FirstSeeing(piece, (begin + c) * ChunkSize); row < rows; row += MicroKernel.Rows)
            {
                int count = Math.Min(MicroKernel.Rows, rows - row), steps = Math.Min(ChunkSize, call.Position(piece, row + count - 1) - (begin + c) * ChunkSize + 1);
                Tiles.Run<TSimd, TVector, UnfusedMultiplyAdd>(scores + (long)row * stride + c * ChunkSize, stride, count, chunk, padded, steps, sums + (long)row * padded, padded, padded, c == 0 ? TileStart.Zero : TileStart.Add);
            }
        }

        for (int row = 0; row < rows; row++)
        {
            Finish(new ReadOnlySpan<float>(sums + (long)row * padded, size), Contract.Reciprocal(totals[row]), call.Output(piece, row));
        }
    }

    /// <summary>Rows of a chunk, padded with zeros.</summary>
    private static void Load(ReadOnlySpan<byte> elements, int columns, int padded, float* chunk)
    {
        ReadOnlySpan<float> values = MemoryMarshal.Cast<byte, float>(elements);
        if (columns == padded)
        {
            values.CopyTo(new Span<float>(chunk, values.Length));
            return;
        }

        for (int row = 0; row < ChunkSize; row++)
        {
            Span<float> target = new(chunk + row * padded, padded);
            values.Slice(row * columns, columns).CopyTo(target);
            target[columns..].Clear();
        }
    }

    /// <summary>Products to exp(score − maximum) in place, 0 for the rest of the chunks; returns the sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Softmax(float* scores, Range seen, float scale, float softcap)
    {
        int first = seen.Start.Value, keys = seen.End.Value;
        Vector256<float> highest = Vector256.Create(float.NegativeInfinity);
        float inverse = 1f / softcap;
        int t = first;
        for (; t <= keys - 8; t += 8)
        {
            Vector256<float> s = VectorContract.Canonical(Vector256.Load(scores + t) * Vector256.Create(scale));
            s = softcap == 0 ? s : VectorContract.Softcap(s, softcap, inverse);
            s.Store(scores + t);
            highest = Vector256.MaxNative(highest, s);
        }

        float maximum = AttentionRow.Largest(highest);
        for (; t < keys; t++)
        {
            scores[t] = Contract.Canonical(scores[t] * scale);
            scores[t] = softcap == 0 ? scores[t] : Contract.Softcap(scores[t], softcap, inverse);
            maximum = MathF.Max(maximum, scores[t]);
        }

        int chunks = (keys + ChunkSize - 1) / ChunkSize, end = chunks * ChunkSize;
        new Span<float>(scores, first).Fill(float.NegativeInfinity);
        new Span<float>(scores + keys, end - keys).Fill(float.NegativeInfinity);
        for (t = 0; t < end; t += 8)
        {
            VectorContract.ExpBelow60(Vector256.Load(scores + t) - Vector256.Create(maximum)).Store(scores + t);
        }

        return AttentionRow.ChunkedSum(scores, chunks);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(ReadOnlySpan<float> sums, float r, Span<float> output)
    {
        int d = 0;
        for (; d <= sums.Length - 8; d += 8)
        {
            VectorContract.Canonical(Vector256.Create(sums.Slice(d, 8)) * Vector256.Create(r)).CopyTo(output[d..]);
        }

        for (; d < sums.Length; d++)
        {
            output[d] = Contract.Canonical(sums[d] * r);
        }
    }
}
