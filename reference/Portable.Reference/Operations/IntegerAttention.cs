using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Reference.Operations;

/// <summary>
/// Attention over keys and values of 2…8 bits: scores are exact integers of codes; probabilities, times each token's value
/// scale relative to the largest, become unsigned 16-bit codes (two 8-bit digits), and the output is the quotient of two
/// exact integer sums (docs/float-contract.md).
/// </summary>
/// <remarks>
/// Operands are pairs of int16 in 32-bit lanes: (q − zq) and (k − zk) paired along the components, digits and (v − zv) paired
/// along the positions. All are within ±255, so every sum is exact in int32 up to 32767 positions.
/// </remarks>
internal static unsafe class IntegerAttention
{
    private const int ChunkSize = KeyValueCache.ChunkSize;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TSimd, TVector>(AttentionCall call, AttentionPiece piece)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        KeyValueCache cache = call.Cache;
        int size = cache.HeadSize, rows = piece.Rows * call.Group, width = Tiles.PanelColumns<TSimd, TVector>(), pairs = (size + 1) / 2;
        int begin = call.FirstChunk(piece), chunks = call.Position(piece, rows - 1) / ChunkSize + 1 - begin, stride = chunks * ChunkSize, padded = (size + width - 1) / width * width;
        int* queries = Scratch.Get<int>(0, (long)rows * pairs), scores = Scratch.Get<int>(1, (long)rows * stride);
        int* chunk = Scratch.Get<int>(2, ChunkSize * Math.Max(pairs, padded));
        RowState* states = Scratch.Get<RowState>(3, rows);
        int* sums = Scratch.Get<int>(4, (long)rows * 2 * padded);
        for (int row = 0; row < rows; row++)
        {
            states[row].QueryScale = PackQuery(call.Query(piece, row), cache.Bits, queries + (long)row * pairs);
        }

        for (int c = 0; c < chunks; c++)
        {
            IntegerChunks.LoadKeys(cache, piece.KeyValueHead, cache.PlaceOf(piece.Sequence, begin + c), chunk);
            // Rows before the middle of the chunk need half of it.
            int first = call.FirstSeeing(piece, (begin + c) * ChunkSize), whole = call.FirstSeeing(piece, (begin + c) * ChunkSize + ChunkSize / 2);
            float* query = (float*)queries + (long)first * pairs, score = (float*)scores + (long)first * stride + c * ChunkSize;
            Tiles.Run<TSimd, TVector, PairDot>(query, pairs, whole - first, (float*)chunk, ChunkSize, pairs, score, stride, ChunkSize / 2, TileStart.Zero);
            Tiles.Run<TSimd, TVector, PairDot>(query + (long)(whole - first) * pairs, pairs, rows - whole, (float*)chunk, ChunkSize, pairs, score + (long)(whole - first) * stride, stride, ChunkSize, TileStart.Zero);
        }

        float* keyScales = Scratch.Get<float>(5, stride), valueScales = Scratch.Get<float>(6, stride);
        for (int c = 0; c < chunks; c++)
        {
            CachePlace place = cache.PlaceOf(piece.Sequence, begin + c);
            int token = cache.TokenOf(piece.KeyValueHead, place);
            cache.KeyScales[place.Bank].AsSpan(token, ChunkSize).CopyTo(new Span<float>(keyScales + c * ChunkSize, ChunkSize));
            cache.ValueScales[place.Bank].AsSpan(token, ChunkSize).CopyTo(new Span<float>(valueScales + c * ChunkSize, ChunkSize));
        }

        for (int row = 0; row < rows; row++)
        {
            states[row].Softmax(scores + (long)row * stride, call.Seen(piece, row), call.Scale, call.Softcap, keyScales, valueScales);
        }

        // A chunk of a row of scores now holds 64 high digits, then 64 low digits, as 32 pairs each.
        for (int c = 0; c < chunks; c++)
        {
            IntegerChunks.LoadValues(cache, piece.KeyValueHead, cache.PlaceOf(piece.Sequence, begin + c), padded, chunk);
            int first = call.FirstSeeing(piece, (begin + c) * ChunkSize);
            TileStart start = c == 0 ? TileStart.Zero : TileStart.Continue;
            for (int row = first; row < rows; row += MicroKernel.Rows)
            {
                int count = Math.Min(MicroKernel.Rows, rows - row), steps = Math.Min(ChunkSize, call.Position(piece, row + count - 1) - (begin + c) * ChunkSize + 1);
                float* high = (float*)scores + (long)row * stride + c * ChunkSize, low = high + ChunkSize / 2;
                float* sum = (float*)sums + (long)row * 2 * padded;
                Tiles.Run<TSimd, TVector, PairDot>(high, stride, count, (float*)chunk, padded, (steps + 1) / 2, sum, 2 * padded, padded, start);
                Tiles.Run<TSimd, TVector, PairDot>(low, stride, count, (float*)chunk, padded, (steps + 1) / 2, sum + padded, 2 * padded, padded, start);
            }
        }

        for (int row = 0; row < rows; row++)
        {
            states[row].Finish(sums + (long)row * 2 * padded, padded, call.Output(piece, row));
        }
    }

    /// <summary>Quantizes a query and packs (code − zero point) in pairs; returns its scale.</summary>
    private static float PackQuery(ReadOnlySpan<float> query, int bits, int* pairs)
    {
        Span<int> codes = stackalloc int[query.Length + 1];
        (float scale, int zero) = ActivationRounding.Asymmetric(query, bits, codes);
        codes[query.Length] = zero;
        for (int i = 0; i < (query.Length + 1) / 2; i++)
        {
            pairs[i] = ((codes[2 * i] - zero) & 0xFFFF) | ((codes[2 * i + 1] - zero) << 16);
        }

        return scale;
    }

    /// <summary>What a query row carries from step to step.</summary>
    private struct RowState
    {
        public float QueryScale;
        private float _valueScale;
        private int _total;

        /// <summary>Integer scores to 16-bit codes of p·(sv / largest sv), written over them as digits, 0 in the rest of the chunks.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Softmax(int* products, Range seen, float scale, float softcap, float* keyScales, float* valueScales)
        {
            float* scores = (float*)products;
            int begin = seen.Start.Value, keys = seen.End.Value;
            float inverse = 1f / softcap;
            Vector256<float> highest = Vector256.Create(float.NegativeInfinity), largest = Vector256<float>.Zero;
            int t = begin;
            for (; t <= keys - 8; t += 8)
            {
                Vector256<float> product = Vector256.ConvertToSingle(Vector256.Load(products + t)) * (Vector256.Create(QueryScale) * Vector256.Load(keyScales + t));
                Vector256<float> s = VectorContract.Canonical(product * Vector256.Create(scale));
                s = softcap == 0 ? s : VectorContract.Softcap(s, softcap, inverse);
                s.Store(scores + t);
                highest = Vector256.MaxNative(highest, s);
                largest = Vector256.MaxNative(largest, Vector256.Load(valueScales + t));
            }

            float maximum = AttentionRow.Largest(highest);
            _valueScale = AttentionRow.Largest(largest);
            for (; t < keys; t++)
            {
                scores[t] = Contract.Canonical(products[t] * (QueryScale * keyScales[t]) * scale);
                scores[t] = softcap == 0 ? scores[t] : Contract.Softcap(scores[t], softcap, inverse);
                maximum = MathF.Max(maximum, scores[t]);
                _valueScale = MathF.Max(_valueScale, valueScales[t]);
            }

            int end = (keys + ChunkSize - 1) / ChunkSize * ChunkSize;
            new Span<float>(scores, begin).Fill(float.NegativeInfinity);
            new Span<float>(scores + keys, end - keys).Fill(float.NegativeInfinity);
            Codes(scores, end, maximum, valueScales);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Codes(float* scores, int end, float maximum, float* valueScales)
        {
            Vector256<float> r = Vector256.Create(Contract.Reciprocal(_valueScale)), highest = Vector256.Create(maximum);
            Vector256<int> total = Vector256<int>.Zero;
            Vector256<short>* codes = stackalloc Vector256<short>[ChunkSize / 16];
            for (int first = 0; first < end; first += ChunkSize)
            {
                for (int i = 0; i < ChunkSize / 16; i++)
                {
                    int t = first + 16 * i;
                    Vector256<int> low = Code(VectorContract.ExpBelow60(Vector256.Load(scores + t) - highest), Vector256.Load(valueScales + t) * r, ref total);
                    Vector256<int> high = Code(VectorContract.ExpBelow60(Vector256.Load(scores + t + 8) - highest), Vector256.Load(valueScales + t + 8) * r, ref total);
                    codes[i] = Vector256.Narrow(low, high);
                }

                short* digits = (short*)(scores + first);
                for (int i = 0; i < ChunkSize / 16; i++)
                {
                    (codes[i] >>> 8).Store(digits + 16 * i);
                    (codes[i] & Vector256.Create((short)255)).Store(digits + ChunkSize + 16 * i);
                }
            }

            _total = Vector256.Sum(total);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<int> Code(Vector256<float> p, Vector256<float> weight, ref Vector256<int> total)
        {
            Vector256<float> levels = Vector256.Create(65535f);
            total += Vector256.ConvertToInt32Native(Vector256.Round(p * levels));
            return Vector256.ConvertToInt32Native(Vector256.MinNative(Vector256.Round(p * weight * levels), levels));
        }

        public readonly void Finish(int* sums, int padded, Span<float> output)
        {
            float r = Contract.Reciprocal(_total);
            for (int d = 0; d < output.Length; d++)
            {
                float numerator = (float)sums[d] * 256f + (float)sums[padded + d];
                output[d] = Contract.Canonical(numerator * _valueScale * r);
            }
        }
    }
}
