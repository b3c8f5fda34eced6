using System.Runtime.InteropServices;
using Portable.Reference.Arithmetic;
using Portable.Reference.Threading;

namespace Portable.Reference.Operations;

/// <summary>
/// Causal attention with grouped query heads over a <see cref="KeyValueCache"/>. Rows are independent: how tokens are cut
/// into calls never changes a bit.
/// </summary>
public static class Attention
{
    /// <summary>Attends every row to its own sequence up to and including its position.</summary>
    /// <param name="queries">Rows of heads × head size, after rotary.</param>
    /// <param name="cache">Keys and values, which already hold every position up to the rows' own.</param>
    /// <param name="sequenceOfRow">Sequence of each row.</param>
    /// <param name="positionOfRow">Position of each row.</param>
    /// <param name="heads">Query heads, a multiple of the cache's heads.</param>
    /// <param name="output">rows × (heads · head size).</param>
    /// <param name="queryStride">Elements from one row of queries to the next; 0 = heads · head size.</param>
    public static unsafe void Compute(ReadOnlySpan<float> queries, KeyValueCache cache, ReadOnlySpan<int> sequenceOfRow, ReadOnlySpan<int> positionOfRow, int heads, Span<float> output, int queryStride = 0)
    {
        int width = heads * cache.HeadSize, rows = positionOfRow.Length;
        int stride = queryStride == 0 ? width : queryStride;
        if (heads % cache.KeyValueHeads != 0 || sequenceOfRow.Length != rows || queries.Length < (long)(rows - 1) * stride + width || output.Length < (long)rows * width)
        {
            throw new ArgumentException($"{heads} heads of {cache.HeadSize} and {rows} rows do not fit the cache, the queries or the output.");
        }

        int[] sequences = sequenceOfRow.ToArray(), positions = positionOfRow.ToArray();
        fixed (float* q = queries, o = output)
        {
            float* query = q, result = o;
            WorkerPool.Run(rows * heads, task =>
            {
                (int row, int head) = (task / heads, task % heads);
                ReadOnlySpan<float> source = new(query + (long)row * stride + head * cache.HeadSize, cache.HeadSize);
                Span<float> target = new(result + (long)row * width + head * cache.HeadSize, cache.HeadSize);
                int keyValueHead = head / (heads / cache.KeyValueHeads);
                if (cache.Quantized)
                {
                    Integer(source, cache, sequences[row], positions[row], keyValueHead, target);
                }
                else
                {
                    Float(source, cache, sequences[row], positions[row], keyValueHead, target);
                }
            });
        }
    }

    private static void Float(ReadOnlySpan<float> q, KeyValueCache cache, int sequence, int position, int head, Span<float> output)
    {
        int size = cache.HeadSize, chunkSize = KeyValueCache.ChunkSize;
        float[] chunk = new float[size * chunkSize], scores = new float[position + chunkSize];
        float rootInverse = (float)(1 / Math.Sqrt(size)), maximum = float.NegativeInfinity;
        for (int first = 0; first <= position; first += chunkSize)
        {
            Load(cache, cache.KeyChunk(sequence, head, first / chunkSize), chunk);
            for (int t = first; t <= position && t < first + chunkSize; t++)
            {
                float sum = 0;
                for (int d = 0; d < size; d++)
                {
                    float product = q[d] * chunk[d * chunkSize + t - first];
                    sum += product;
                }

                scores[t] = Contract.Canonical(sum * rootInverse);
                maximum = MathF.Max(maximum, scores[t]);
            }
        }

        float total = 0;
        Span<float> partial = stackalloc float[size];
        output.Clear();
        for (int first = 0; first <= position; first += chunkSize)
        {
            Load(cache, cache.ValueChunk(sequence, head, first / chunkSize), chunk);
            float length = 0;
            partial.Clear();
            for (int t = first; t <= position && t < first + chunkSize; t++)
            {
                float p = Contract.Exp(scores[t] - maximum);
                length += p;
                for (int d = 0; d < size; d++)
                {
                    float product = p * chunk[(t - first) * size + d];
                    partial[d] += product;
                }
            }

            total += length;
            for (int d = 0; d < size; d++)
            {
                output[d] += partial[d];
            }
        }

        float r = Contract.Reciprocal(total);
        for (int d = 0; d < size; d++)
        {
            output[d] = Contract.Canonical(output[d] * r);
        }
    }

    private static void Integer(ReadOnlySpan<float> q, KeyValueCache cache, int sequence, int position, int head, Span<float> output)
    {
        int size = cache.HeadSize, chunkSize = KeyValueCache.ChunkSize, token = head * cache.Chunks * chunkSize;
        Span<int> codes = stackalloc int[size];
        (float scale, int zero) = ActivationRounding.Asymmetric(q, cache.Bits, codes);
        float[] scores = new float[position + 1];
        float rootInverse = (float)(1 / Math.Sqrt(size)), maximum = float.NegativeInfinity, valueScale = 0;
        for (int t = 0; t <= position; t++)
        {
            ReadOnlySpan<byte> keys = cache.KeyChunk(sequence, head, t / chunkSize);
            int keyZero = cache.KeyZeroPoints[sequence][token + t], sum = 0;
            for (int d = 0; d < size; d++)
            {
                sum += (codes[d] - zero) * (keys[d * chunkSize + t % chunkSize] - keyZero);
            }

            scores[t] = Contract.Canonical(sum * (scale * cache.KeyScales[sequence][token + t]) * rootInverse);
            maximum = MathF.Max(maximum, scores[t]);
            valueScale = MathF.Max(valueScale, cache.ValueScales[sequence][token + t]);
        }

        float inverseScale = Contract.Reciprocal(valueScale);
        int total = 0;
        Span<int> high = stackalloc int[size], low = stackalloc int[size];
        high.Clear();
        low.Clear();
        for (int t = 0; t <= position; t++)
        {
            ReadOnlySpan<byte> values = cache.ValueChunk(sequence, head, t / chunkSize).Slice(t % chunkSize * size, size);
            float p = Contract.Exp(scores[t] - maximum);
            total += (int)MathF.Round(p * 65535f);
            int code = Math.Min((int)MathF.Round(p * (cache.ValueScales[sequence][token + t] * inverseScale) * 65535f), 65535);
            int valueZero = cache.ValueZeroPoints[sequence][token + t];
            for (int d = 0; d < size; d++)
            {
                high[d] += (code >> 8) * (values[d] - valueZero);
                low[d] += (code & 255) * (values[d] - valueZero);
            }
        }

        float r = Contract.Reciprocal(total);
        for (int d = 0; d < size; d++)
        {
            float numerator = (float)high[d] * 256f + (float)low[d];
            output[d] = Contract.Canonical(numerator * valueScale * r);
        }
    }

    private static void Load(KeyValueCache cache, ReadOnlySpan<byte> elements, Span<float> chunk)
    {
        if (cache.Bits == 32)
        {
            MemoryMarshal.Cast<byte, float>(elements).CopyTo(chunk);
        }
        else
        {
            HalfConversion.ToSingle(MemoryMarshal.Cast<byte, ushort>(elements), chunk);
        }
    }
}
