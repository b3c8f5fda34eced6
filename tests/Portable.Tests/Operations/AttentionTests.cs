using FsCheck.Xunit;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Tests.Arithmetic;
using Portable.Tests.Oracle;

namespace Portable.Tests.Operations;

/// <summary>Blocked attention against one query at a time, for every cache width, head shape and cut of the rows.</summary>
public class AttentionTests
{
    private static readonly int[] Bits = [2, 3, 4, 5, 6, 7, 8, 16, 32], Windowed = [2, 5, 8, 16, 32];

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

    /// <summary>Windows, softcaps and caches that keep no more than the window and what is fed, in pieces of any size: the bits of the definition over what is seen.</summary>
    [Property(MaxTest = 24)]
    public void WindowsAndSoftcapsHaveTheBitsOfTheDefinition(int seed, byte width, byte window, byte piece)
    {
        int bits = Windowed[width % Windowed.Length], seen = 1 + window % 150, fed = 1 + piece % 90;
        AttentionLayout layout = new(4, 2, 8) { Window = seen, Softcap = width % 2 == 0 ? 0 : 5, Scale = 0.3f };
        Case c = new(bits, layout, [260], seed);
        uint[][] rows = c.ComputeFed(fed);
        for (int t = 259; t >= 0; t -= 37)
        {
            for (int head = 0; head < 4; head++)
            {
                Assert.Equal(AwkwardValues.Bits(c.Expected(0, t, head)), rows[t][(head * 8)..((head + 1) * 8)]);
            }
        }
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
        Assert.Equal(AwkwardValues.Bits(AttentionOracle.Integer(q, keys, values, 8, p => Contract.Canonical(p * (float)(1 / Math.Sqrt(2))))), AwkwardValues.Bits(output));
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
        private readonly AttentionLayout _layout;
        private readonly float[][][] _keys, _values, _queries;

        public Case(int bits, int headSize, int keyValueHeads, int heads, int[] lengths, int seed)
            : this(bits, new AttentionLayout(heads, keyValueHeads, headSize), lengths, seed)
        {
        }

        public Case(int bits, AttentionLayout layout, int[] lengths, int seed)
        {
            (int headSize, int keyValueHeads, int heads) = (layout.HeadSize, layout.KeyValueHeads, layout.Heads);
            (_layout, _headSize, _heads, _group, _bits) = (layout, headSize, heads, heads / keyValueHeads, bits);
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

            Attention.Compute(queries, _cache, [.. rows.Select(r => r.Sequence)], [.. rows.Select(r => r.Position)], _layout, output, stride);
            return output;
        }

        /// <summary>Rows of sequence 0, appended and attended some at a time over a cache that keeps the window and one such piece.</summary>
        public uint[][] ComputeFed(int rows)
        {
            KeyValueCache cache = new(1, _layout.KeyValueHeads, _headSize, _layout.Window + rows, _bits, wraps: true);
            List<uint[]> results = [];
            for (int first = 0; first < _keys[0].Length; first += rows)
            {
                int[] positions = [.. Enumerable.Range(first, Math.Min(rows, _keys[0].Length - first))];
                float[] queries = [.. positions.SelectMany(t => _queries[0][t])], output = new float[queries.Length];
                Array.ForEach(positions, t => cache.Append(0, t, _keys[0][t], _values[0][t]));
                Attention.Compute(queries, cache, [.. positions.Select(_ => 0)], positions, _layout, output);
                results.AddRange(AwkwardValues.Bits(output).Chunk(_layout.QueryWidth));
            }

            return [.. results];
        }

        public float[] Expected(int sequence, int position, int head)
        {
            (float[] q, List<float[]> keys, List<float[]> values) = Visible(sequence, position, head);
            return _bits switch
            {
                32 => AttentionOracle.Float(q, keys, values, Score, First(position)),
                16 => AttentionOracle.Digits(q, keys, values, Score, First(position)),
                _ => AttentionOracle.Integer(q, keys, values, _bits, Score),
            };
        }

        public double[] Real(int sequence, int position, int head)
        {
            (float[] q, List<float[]> keys, List<float[]> values) = Visible(sequence, position, head);
            return AttentionOracle.Real(q, keys, values);
        }

        private int First(int position) => _layout.Window == 0 ? 0 : Math.Max(0, position - _layout.Window + 1);

        // A score as the contract has it: scaled, then capped.
        private float Score(float product)
        {
            float s = Contract.Canonical(product * _layout.Scale);
            return _layout.Softcap == 0 ? s : Contract.Canonical(_layout.Softcap * Contract.Tanh(s * (1f / _layout.Softcap)));
        }

        private (float[] Query, List<float[]> Keys, List<float[]> Values) Visible(int sequence, int position, int head)
        {
            int first = head / _group * _headSize;
            List<float[]> Heads(float[][] rows) => [.. rows[First(position)..(position + 1)].Select(row => row[first..(first + _headSize)])];
            return (_queries[sequence][position][(head * _headSize)..((head + 1) * _headSize)], Heads(_keys[sequence]), Heads(_values[sequence]));
        }
    }
}
