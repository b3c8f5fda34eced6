using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Reference.Operations;

/// <summary>
/// Attention of single tokens over a 16-bit cache by more threads than there are key heads: each has some chunks of a context, and
/// who is the last of a head adds them up in ascending order, as one thread alone would have done.
/// </summary>
internal static unsafe class ContextStretches
{
    // What a stretch takes beside its chunks (queries to codes, a part of the joining), in chunks.
    private const int Overhead = 1;

    // More pieces a thread than this level nothing out any more.
    private const int MostPieces = 8;

    // Counters in lines of their own.
    private const int CounterStride = 64 / sizeof(int);

    /// <summary>Stretches of each head's context with which the thread that has the most is done first.</summary>
    /// <param name="pieces">One for each row and key head.</param>
    /// <param name="chunks">Of the longest context.</param>
    /// <param name="threads">Threads that take part.</param>
    public static int Count(int pieces, int chunks, int threads)
    {
        int best = 1;
        long least = long.MaxValue;
        for (int stretches = 1; stretches <= chunks && (long)pieces * (stretches - 1) < MostPieces * threads; stretches++)
        {
            long time = (((long)pieces * stretches) + threads - 1) / threads * (((chunks + stretches - 1) / stretches) + Overhead);
            if (time < least)
            {
                (best, least) = (stretches, time);
            }
        }

        return best;
    }

    /// <summary>Attends.</summary>
    /// <param name="call">The call.</param>
    /// <param name="pieces">One for each row and key head.</param>
    /// <param name="stretches">From <see cref="Count"/>.</param>
    /// <param name="tokens">What is not in the cache yet; null = all is there.</param>
    public static void Run(AttentionCall call, AttentionPiece[] pieces, int stretches, INewTokens? tokens)
    {
        int group = call.Group, size = call.Cache.HeadSize, stride = DigitAttention.PartFloats(size);
        long floats = (long)Longest(call, pieces) * group * stride;
        float* parts = Scratch.Get<float>(5, pieces.Length * floats);
        int* arrived = Scratch.Get<int>(6, (long)pieces.Length * CounterStride);
        new Span<int>(arrived, pieces.Length * CounterStride).Clear();
        WorkerPool.Run(pieces.Length * stretches, i =>
        {
            int index = i / stretches, stretch = i % stretches;
            AttentionPiece piece = pieces[index];
            int first = call.FirstChunk(piece), chunks = call.Chunks(piece) - first, own = Math.Min(stretches, chunks);
            if (stretch >= own)
            {
                return;
            }

            int begin = (int)((long)chunks * stretch / own), end = (int)((long)chunks * (stretch + 1) / own);
            Span<float> queries = new(Scratch.Get<float>(4, (long)group * size), group * size);
            if (tokens is not null)
            {
                tokens.Turn(piece.FirstRow, piece.KeyValueHead, queries);
                if (end == chunks)
                {
                    tokens.Append(piece.FirstRow, piece.KeyValueHead);
                }
            }
            else
            {
                for (int head = 0; head < group; head++)
                {
                    call.Query(piece, head).CopyTo(queries[(head * size)..]);
                }
            }

            float* target = parts + (index * floats);
            if (Vector512.IsHardwareAccelerated)
            {
                DigitAttention.RunChunks<Simd512, Vector512<float>>(call, piece, first + begin, first + end, queries, target + ((long)begin * group * stride));
            }
            else
            {
                DigitAttention.RunChunks<Simd256, Vector256<float>>(call, piece, first + begin, first + end, queries, target + ((long)begin * group * stride));
            }

            if (Interlocked.Increment(ref arrived[index * CounterStride]) == own)
            {
                DigitAttention.Join(call, piece, chunks, target);
            }
        });
    }

    /// <summary>Chunks of the longest context.</summary>
    public static int Longest(AttentionCall call, AttentionPiece[] pieces)
    {
        int most = 0;
        foreach (AttentionPiece piece in pieces)
        {
            most = Math.Max(most, call.Chunks(piece) - call.FirstChunk(piece));
        }

        return most;
    }
}
