using FsCheck.Xunit;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Tests.Arithmetic;
using Portable.Tests.Oracle;

namespace Portable.Tests.Operations;

/// <summary>Blocked attention against one query at a time, for every cache width, head shape and cut of the rows.</summary>
public class AttentionTests
{
    private static readonly int[] Bits = [2, 3, 4, 5, 6, 7, 8, 16, 32];

    [Property(MaxTest = 45)]
    public void EveryRowHasTheBitsOfTheDefinition(int seed, byte width, byte size, byte tokens, byte group)
    {
        int bits = Bits[width % Bits.Length], headSize = 1 + size % 40, keyValueHeads = 1 + seed % 2 * (seed % 2), count = 1 + tokens % 150, heads = keyValueHeads * (1 + group % 3);
        Case c = new(bits, headSize, keyValueHeads, heads, [count], seed);
        float[] output = c.Compute([.. Enumerable.Range(0, count).Select(t => (0, t))]);
        for (int t = count - 1; t >= 0; t -= 1 + count / 6)
        {
            for (int head = 0; head < heads; head++)
            {
                float[] expected = c.Expected(0, t, head), actual = output[((t * heads + head) * headSize)..((t * heads + head + 1) * headSize)];
                Assert.Equal(AwkwardValues.Bits(expected), AwkwardValues.Bits(actual));
            }
        }
    }

    /// <summary>One row at a time, arbitrary subsets, reversed and mixed sequences: always the bits of the whole.</summary>
    [Property(MaxTest = 9)]
    public void CutsOfTheRowsDoNotChangeABit(int seed, byte width, byte tokens)
    {
        int bits = Bits[width % Bits.Length], headSize = 16 + width % 9;
        int[] lengths = [1 + tokens % 140, 1 + tokens / 4];
        Case c = new(bits, headSize, 2, 4, lengths, seed);
        (int Sequence, int Position)[] all = [.. lengths.SelectMany((n, s) => Enumerable.Range(0, n).Select(t => (s, t)))];
        uint[] whole = AwkwardValues.Bits(c.Compute(all));
        Random random = new(seed);
        int rowSize = 4 * headSize;
        for (int trial = 0; trial < 4; trial++)
        {
            int[] rows = [.. Enumerable.Range(0, all.Length).Where(_ => random.Next(3) == 0)];
            rows = rows.Length == 0 ? [0] : rows;
            if (trial % 2 == 1)
            {
                random.Shuffle(rows);
            }

            uint[] part = AwkwardValues.Bits(c.Compute([.. rows.Select(r => all[r])]));
            for (int i = 0; i < rows.Length; i++)
            {
                Assert.Equal(whole[(rows[i] * rowSize)..((rows[i] + 1) * rowSize)], part[(i * rowSize)..((i + 1) * rowSize)]);
            }
        }

        int last = all.Length - 1;
        Assert.Equal(whole[(last * rowSize)..], AwkwardValues.Bits(c.Compute([all[last]])));
    }

    [Theory]
    [InlineData(32, 2e-6)]
    [InlineData(16, 1e-3)]
    [InlineData(8, 2e-2)]
    [InlineData(6, 8e-2)]
    public void ResultsAreNearRealAttention(int bits, double tolerance)
    {
        Case c = new(bits, 64, 2, 4, [200], 11);
        float[] output = c.Compute([(0, 199)]);
        for (int head = 0; head < 4; head++)
        {
            double[] expected = c.Real(0, 199, head);
            for (int d = 0; d < 64; d++)
            {
                Assert.InRange(Math.Abs(output[head * 64 + d] - expected[d]), 0, tolerance);
            }
        }
    }

    /// <summary>Codes and probabilities at their extremes over a long context: the sums stay exact.</summary>
    [Fact]
    public void ExtremeValuesOverALongContextStayExact()
    {
        const int Tokens = 2000;
        KeyValueCache cache = new(1, 1, 2, Tokens, 8);
        List<float[]> keys = [], values = [];
        for (int t = 0; t < Tokens; t++)
        {
            keys.Add([1f, 1f]);
            values.Add(t % 2 == 0 ? [1000f, -1e-3f] : [-1000f, 0f]);
            cache.Append(0, t, keys[t], values[t]);
        }

        float[] output = new float[2], q = [50f, 60f];
        Attention.Compute(q, cache, [0], [Tokens - 1], new AttentionLayout(1, 1, 2), output);
        Assert.Equal(AwkwardValues.Bits(AttentionOracle.Integer(q, keys, values, 8)), AwkwardValues.Bits(output));
    }

    [Fact]
    public void BadShapesAreRefused()
    {
        KeyValueCache cache = new(1, 2, 8, 10, 16);
        float[] q = new float[32], output = new float[32];
        Assert.Throws<ArgumentException>(() => Attention.Compute(q, cache, [0], [0], new AttentionLayout(3, 2, 8), output));
        Assert.Throws<ArgumentException>(() => Attention.Compute(q, cache, [1], [0], new AttentionLayout(4, 2, 8), output));
        Assert.Throws<ArgumentException>(() => Attention.Compute(q, cache, [0], [10], new AttentionLayout(4, 2, 8), output));
        Assert.Throws<ArgumentException>(() => Attention.Compute(q, cache, [0, 0], [0, 1], new AttentionLayout(4, 2, 8), output));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Append(0, 10, new float[16], new float[16]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new KeyValueCache(1, 1, 8, 10, 9));
        Assert.Throws<ArgumentOutOfRangeException>(() => new KeyValueCache(1, 1, 8, 32768, 8));
    }

    /// <summary>Random sequences, kept beside the cache that holds them.</summary>
    private sealed class Case
    {
        private readonly KeyValueCache _cache;
        private readonly int _headSize, _heads, _group, _bits;
        private readonly float[][][] _keys, _values, _queries;

        public Case(int bits, int headSize, int keyValueHeads, int heads, int[] lengths, int seed)
        {
            (_headSize, _heads, _group, _bits) = (headSize, heads, heads / keyValueHeads, bits);
            _cache = new KeyValueCache(lengths.Length, keyValueHeads, headSize, lengths.Max() + 3, bits);
            float[][][] Create(int width, int salt) => [.. lengths.Select((n, s) => Enumerable.Range(0, n).Select(t => AwkwardValues.Activations(width, HashCode.Combine(seed, salt, s, t))).ToArray())];
            (_keys, _values, _queries) = (Create(keyValueHeads * headSize, 1), Create(keyValueHeads * headSize, 2), Create(heads * headSize, 3));
            for (int s = 0; s < lengths.Length; s++)
            {
                for (int t = 0; t < lengths[s]; t++)
                {
                    _cache.Append(s, t, _keys[s][t], _values[s][t]);
                }
            }
        }

        public float[] Compute((int Sequence, int Position)[] rows)
        {
            // Queries lie in wider rows, as they do beside their keys and values.
            int width = _heads * _headSize, stride = width + 5;
            float[] queries = new float[rows.Length * stride], output = new float[rows.Length * width];
            for (int i = 0; i < rows.Length; i++)
            {
                _queries[rows[i].Sequence][rows[i].Position].CopyTo(queries, i * stride);
            }

            Attention.Compute(queries, _cache, [.. rows.Select(r => r.Sequence)], [.. rows.Select(r => r.Position)], new AttentionLayout(_heads, _heads / _group, _headSize), output, stride);
            return output;
        }

        public float[] Expected(int sequence, int position, int head)
        {
            (float[] q, List<float[]> keys, List<float[]> values) = Visible(sequence, position, head);
            return _bits switch
            {
                32 => AttentionOracle.Float(q, keys, values),
                16 => AttentionOracle.Digits(q, keys, values),
                _ => AttentionOracle.Integer(q, keys, values, _bits),
            };
        }

        public double[] Real(int sequence, int position, int head)
        {
            (float[] q, List<float[]> keys, List<float[]> values) = Visible(sequence, position, head);
            return AttentionOracle.Real(q, keys, values);
        }

        private (float[] Query, List<float[]> Keys, List<float[]> Values) Visible(int sequence, int position, int head)
        {
            int first = head / _group * _headSize;
            List<float[]> Heads(float[][] rows) => [.. rows.Take(position + 1).Select(row => row[first..(first + _headSize)])];
            return (_queries[sequence][position][(head * _headSize)..((head + 1) * _headSize)], Heads(_keys[sequence]), Heads(_values[sequence]));
        }
    }
}
