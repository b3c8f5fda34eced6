using FsCheck.Xunit;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Reference.Threading;
using Portable.Tests.Arithmetic;
using Portable.Tests.Oracle;
using System.Runtime.Intrinsics;

namespace Portable.Tests.Operations;

/// <summary>Attention over a 16-bit cache (docs/float-contract.md) against its definition in whole codes, and what its codes promise.</summary>
public class DigitAttentionTests
{
    // Both digits at their ends: 256·127 + 127, 256·127 − 128, −256·127 + 127, ±(256 ∓ 128), 0 and −128, 127.
    private static readonly int[] Extremes = [32639, -32639, 32384, -32385, 128, -128, 127, -32512, 32512];

    [Fact]
    public void EveryCodeIsItsDigits()
    {
        for (int code = -DigitCodes.Maximum; code <= DigitCodes.Maximum; code++)
        {
            int high = DigitCodes.High(code), low = DigitCodes.Low(code);
            Assert.Equal(code, 256 * high + low);
            Assert.InRange(high, -127, 127);
            Assert.InRange(low, -128, 127);
        }
    }

    /// <summary>The integer is rounded once, as a double would be: ties, carries out of the low part and both ends of the range included.</summary>
    [Property(MaxTest = 300)]
    public void AnExactSumIsRoundedOnce(int high, int low, byte shift)
    {
        const int Ends = 2_139_029_504;
        int[] highs = [high, high >> shift % 31, 2_130_706_432, -2_130_706_432, 0, -1, 1 << 24, (1 << 24) + 1];
        int[] lows = [low % Ends, low >> shift % 31, Ends, -Ends, 0, -1, 255, (1 << 23) - 1];
        Span<float> actual = stackalloc float[8];
        for (int i = 0; i < 8; i++)
        {
            int y = Math.Clamp(lows[i], -Ends, Ends);
            ExactSum.Nearest(Vector256.Create(highs), Vector256.Create(y)).CopyTo(actual);
            for (int j = 0; j < 8; j++)
            {
                Assert.Equal((float)((double)highs[j] * 256 + y), actual[j]);
            }
        }
    }

    [Theory]
    [InlineData(16)]
    [InlineData(80)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void ContextsAroundEveryStretchHaveTheBitsOfTheDefinition(int headSize)
    {
        Context c = new(headSize, 258, (width, salt) => AwkwardValues.Activations(width, HashCode.Combine(headSize, salt)));
        foreach (int context in new[] { 1, 2, 62, 63, 64, 65, 66, 127, 128, 129, 191, 192, 193, 255, 256, 257, 258 })
        {
            c.AssertDefinition(context);
        }
    }

    /// <summary>Codes whose digits are at their ends, so that all three sums of digits of a head of 512 are near their bounds.</summary>
    [Property(MaxTest = 12)]
    public void ExtremesOfBothDigitsStayExact(int seed, byte size, bool one)
    {
        int headSize = size % 3 == 0 ? 512 : 1 + size % 300;
        Context c = new(headSize, 70, (width, salt) =>
        {
            Random random = new(HashCode.Combine(seed, salt));
            int only = Extremes[random.Next(Extremes.Length)];
            float[] x = [.. Enumerable.Range(0, width).Select(_ => (one ? only : Extremes[random.Next(Extremes.Length)]) * 9.5367431640625e-7f)];
            x[random.Next(width)] = random.Next(2) == 0 ? 32639 * 9.5367431640625e-7f : -32639 * 9.5367431640625e-7f;
            return x;
        });
        c.AssertDefinition(64);
        c.AssertDefinition(70);
    }

    /// <summary>
    /// Over the same codes, with values of one scale, no column is more than 10^-3 of the largest value from real attention: misplaced mass is at
    /// most 10^-3, whatever the scores: ordinary ones, one far above a flat tail, or a few levels.
    /// </summary>
    [Property(MaxTest = 30)]
    public void AtMostAThousandthOfTheMassIsMisplaced(int seed, byte kind, ushort length, byte gap)
    {
        int tokens = 65 + length % 1500, large = new Random(seed).Next(tokens);
        const int Size = 16;
        Context c = new(Size, tokens, (width, salt) =>
        {
            Random random = new(HashCode.Combine(seed, salt));
            (int token, char what) = (salt / 4, "qkv"[salt % 4]);
            double level = (kind % 3) switch { 0 => random.NextDouble() * 4, 1 => token == large ? gap % 18 : 0, _ => random.Next(3) * 5.0 };
            return what switch
            {
                'q' => [.. Enumerable.Repeat(1f, width)],
                'k' => [.. Enumerable.Repeat((float)(level / Math.Sqrt(Size)), width)],
                // The first column is 1 or −1, so that all scales are alike.
                _ => [.. Enumerable.Range(0, width).Select(i => i == 0 ? (token == large ? -1f : 1f) : (float)(random.NextDouble() * 2 - 1))],
            };
        });
        float[] actual = c.Compute(tokens);
        double[] expected = AttentionOracle.Real(c.Stored(c.Query), [.. c.Keys.Select(c.Stored)], [.. c.Values.Select(c.Stored)]);
        for (int d = 0; d < Size; d++)
        {
            Assert.InRange(Math.Abs(actual[d] - expected[d]), 0, 1e-3);
        }
    }

    /// <summary>A token alone, whose keys and values may be asked for ahead and met in wide tiles, has the bits that it has beside another.</summary>
    [Property(MaxTest = 20)]
    public void OneTokenIsAsItIsInABatch(int seed, byte group, byte heads, byte size, byte length)
    {
        int headSize = size % 4 == 0 ? 128 : 16 + size % 120, tokens = 2 + length;
        AttentionLayout layout = new((1 + group % 5) * (1 + heads % 9), 1 + heads % 9, headSize);
        KeyValueCache cache = new(1, layout.KeyValueHeads, headSize, tokens, 16);
        for (int t = 0; t < tokens; t++)
        {
            cache.Append(0, t, AwkwardValues.Activations(layout.KeyValueWidth, HashCode.Combine(seed, t)), AwkwardValues.Activations(layout.KeyValueWidth, HashCode.Combine(seed, t, 1)));
        }

        float[] queries = AwkwardValues.Activations(2 * layout.QueryWidth, seed), together = new float[2 * layout.QueryWidth], alone = new float[layout.QueryWidth];
        Attention.Compute(queries, cache, [0, 0], [tokens - 2, tokens - 1], layout, together);
        for (int row = 0; row < 2; row++)
        {
            Attention.Compute(queries.AsSpan(row * layout.QueryWidth, layout.QueryWidth), cache, [0], [tokens - 2 + row], layout, alone);
            Assert.Equal(Array.ConvertAll(together[(row * layout.QueryWidth)..((row + 1) * layout.QueryWidth)], BitConverter.SingleToInt32Bits), Array.ConvertAll(alone, BitConverter.SingleToInt32Bits));
        }
    }

    /// <summary>Stretches of a context by several threads, each added by who comes last, have the bits of one thread; windows, uneven contexts and tokens that are only now appended included.</summary>
    [Property(MaxTest = 40)]
    public void HoweverManyThreadsShareAContextItHasTheSameBits(int seed, byte group, byte heads, byte size, ushort length, byte window, byte threads)
    {
        int headSize = size % 4 == 0 ? 128 : 1 + size % 140, tokens = 2 + length % 700;
        AttentionLayout layout = new((1 + group % 4) * (1 + heads % 3), 1 + heads % 3, headSize) { Window = window % 2 == 0 ? 0 : 1 + window };
        int[] positions = [tokens - 1, tokens / 3];
        uint[] Run(int threads, bool fed)
        {
            using WorkerPool pool = new(threads);
            using WorkerPool.Scope scope = pool.Use();
            KeyValueCache cache = new(2, layout.KeyValueHeads, headSize, tokens, 16);
            float[] queries = AwkwardValues.Activations(2 * layout.QueryWidth, seed), output = new float[queries.Length];
            for (int s = 0; s < 2; s++)
            {
                for (int t = 0; t < positions[s] + (fed ? 0 : 1); t++)
                {
                    cache.Append(s, t, Keys(s, t), Values(s, t));
                }
            }

            Fed late = new(cache, layout, positions, queries, s => Keys(s, positions[s]), s => Values(s, positions[s]));
            Attention.Compute(fed ? new float[queries.Length] : queries, cache, [0, 1], positions, layout, output, tokens: fed ? late : null);
            return AwkwardValues.Bits(output);
        }

        float[] Keys(int s, int t) => AwkwardValues.Activations(layout.KeyValueWidth, HashCode.Combine(seed, s, t));
        float[] Values(int s, int t) => AwkwardValues.Activations(layout.KeyValueWidth, HashCode.Combine(seed, s, t, 1));
        uint[] expected = Run(1, fed: false);
        Assert.Equal(expected, Run(2 + threads % 15, fed: false));
        Assert.Equal(expected, Run(2 + threads % 15, fed: true));
        Assert.Equal(expected, Run(1, fed: true));
    }

    [Theory]
    [InlineData(4, 8, 16, 4)]   // four heads of a token: each thread two chunks
    [InlineData(4, 8, 4, 1)]
    [InlineData(4, 8, 2, 1)]
    [InlineData(1, 1, 16, 1)]
    [InlineData(32, 8, 12, 1)]
    [InlineData(32, 100, 12, 3)] // a third round of 12 threads would have 8 of 32 heads
    public void ContextsAreSharedWhereThatIsDoneFirst(int pieces, int chunks, int threads, int stretches) =>
        Assert.Equal(stretches, ContextStretches.Count(pieces, chunks, threads));

    /// <summary>A tail that 16-bit codes relative to the maximum of all would lose, e^-12 below it and 32,768 long, keeps its 17 %.</summary>
    [Fact]
    public void AFlatTailKeepsItsShare()
    {
        const int Tokens = 32768;
        KeyValueCache cache = new(1, 1, 2, Tokens, 16);
        for (int t = 0; t < Tokens; t++)
        {
            cache.Append(0, t, t == 7 ? [12f, 0f] : [0f, 0f], t == 7 ? [1f, 0f] : [0f, 1f]);
        }

        float[] output = new float[2];
        Attention.Compute([(float)Math.Sqrt(2), 0f], cache, [0], [Tokens - 1], new AttentionLayout(1, 1, 2), output);
        double share = (Tokens - 1) * Math.Exp(-12) / (1 + (Tokens - 1) * Math.Exp(-12));
        Assert.InRange(share, 0.16, 0.18);
        Assert.InRange(Math.Abs(output[1] - share), 0, 1e-3);
        Assert.InRange(Math.Abs(output[0] - (1 - share)), 0, 1e-3);
    }

    /// <summary>A token with huge values and next to no probability costs the others nothing, and neither does one with all probability and tiny values.</summary>
    [Fact]
    public void UnequalValueScalesKeepEveryContribution()
    {
        Context c = new(4, 40, (width, salt) => ((salt / 4, "qkv"[salt % 4]) switch
        {
            (_, 'q') => [2f, 0f, 0f, 0f],
            (0, 'k') => [10f, 0f, 0f, 0f],
            (1, 'k') => [-30f, 0f, 0f, 0f],
            (_, 'k') => [1f, 0f, 0f, 0f],
            (0, _) => [1e-4f, -1e-4f, 0f, 0f],
            (1, _) => [9000f, 9000f, 9000f, 9000f],
            (int t, _) => [0.5f, t / 40f, -1f, 0.25f],
        }));
        float[] actual = c.Compute(40);
        double[] expected = AttentionOracle.Real(c.Stored(c.Query), [.. c.Keys.Select(c.Stored)], [.. c.Values.Select(c.Stored)]);
        for (int d = 0; d < 4; d++)
        {
            Assert.InRange(Math.Abs(actual[d] - expected[d]), 0, 1e-3 * expected.Max(Math.Abs));
        }
    }

    [Fact]
    public void HeadsAndContextsBeyondTheProofsAreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new KeyValueCache(1, 1, DigitCodes.MaximumHeadSize + 1, 8, 16));
        Assert.Throws<ArgumentOutOfRangeException>(() => new KeyValueCache(1, 1, 2, DigitCodes.MaximumCapacity + 1, 16));
    }

    /// <summary>One head of one sequence: a query over keys and values that a function of (width, 4 · token + 0 for the query, 1 for keys, 2 for values) makes.</summary>
    private sealed class Context
    {
        private readonly KeyValueCache _cache;

        public Context(int headSize, int tokens, Func<int, int, float[]> make)
        {
            _cache = new KeyValueCache(1, 1, headSize, tokens, 16);
            Query = make(headSize, 0);
            for (int t = 0; t < tokens; t++)
            {
                Keys.Add(make(headSize, 4 * t + 1));
                Values.Add(make(headSize, 4 * t + 2));
                _cache.Append(0, t, Keys[t], Values[t]);
            }
        }

        public float[] Query { get; }

        public List<float[]> Keys { get; } = [];

        public List<float[]> Values { get; } = [];

        /// <summary>What codes and scale of a head stand for.</summary>
        public float[] Stored(float[] x)
        {
            int[] codes = new int[x.Length];
            float scale = DigitCodes.Quantize(x, codes);
            return [.. codes.Select(c => c * scale)];
        }

        public float[] Compute(int context)
        {
            float[] output = new float[Query.Length];
            Attention.Compute(Query, _cache, [0], [context - 1], new AttentionLayout(1, 1, Query.Length), output);
            return output;
        }

        public void AssertDefinition(int context) =>
            Assert.Equal(AwkwardValues.Bits(AttentionOracle.Digits(Query, Keys[..context], Values[..context])), AwkwardValues.Bits(Compute(context)));
    }

    /// <summary>Tokens that are not in the cache yet; nothing turns them.</summary>
    private sealed class Fed(KeyValueCache cache, AttentionLayout layout, int[] positions, float[] queries, Func<int, float[]> keys, Func<int, float[]> values) : INewTokens
    {
        public void Turn(int row, int head, Span<float> target) =>
            queries.AsSpan((row * layout.QueryWidth) + (head * layout.GroupHeads * layout.HeadSize), layout.GroupHeads * layout.HeadSize).CopyTo(target);

        public void Append(int row, int head)
        {
            int start = head * layout.HeadSize;
            cache.Append(row, positions[row], head, keys(row).AsSpan(start, layout.HeadSize), values(row).AsSpan(start, layout.HeadSize));
        }
    }
}
