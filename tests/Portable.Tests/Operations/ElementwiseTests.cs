using FsCheck.Xunit;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Tests.Arithmetic;

namespace Portable.Tests.Operations;

/// <summary>Operations without a reduction, against the scalar contract written out, for every length.</summary>
public class ElementwiseTests
{
    [Property(MaxTest = 60)]
    public void ResidualGateAndRelu(int seed, byte length)
    {
        float[] x = AwkwardValues.Activations(length, seed), y = AwkwardValues.Create(length, seed + 1), actual = new float[length];
        Residual.Add(x, y, actual);
        Equal(length, i => Contract.Canonical(x[i] + y[i]), actual);
        Activation.Gate(ActivationKind.Silu, x, y, actual);
        Equal(length, i => Contract.Canonical(x[i] * Contract.Reciprocal(1f + Contract.Exp(-x[i])) * y[i]), actual);
        Activation.Apply(ActivationKind.Relu, y, actual);
        Equal(length, i => Contract.Canonical(MathF.Max(y[i], 0f)), actual);
    }

    /// <summary>Activations alone and as gates, and the softcap of logits.</summary>
    [Property(MaxTest = 60)]
    public void ActivationsAndSoftcap(int seed, byte length)
    {
        float[] x = AwkwardValues.Activations(length, seed), y = AwkwardValues.Activations(length, seed + 1), actual = new float[length];
        foreach ((ActivationKind kind, Func<float, float> f) in new (ActivationKind, Func<float, float>)[]
        {
            (ActivationKind.SquaredRelu, v => v >= Contract.Tiny ? v * v : 0f),
            (ActivationKind.GeluTanh, v => v * Contract.Sigmoid((v + 0.044715f * (v * v * v)) * 1.5957691f)),
            (ActivationKind.GeluErf, v => v * Contract.NormalDistribution(v)),
        })
        {
            Activation.Apply(kind, x, actual);
            Equal(length, i => Contract.Canonical(f(x[i])), actual);
            Activation.Gate(kind, x, y, actual);
            Equal(length, i => Contract.Canonical(f(x[i]) * y[i]), actual);
        }

        float[] capped = [.. x];
        LogitSoftcap.Apply(capped, 30f);
        Equal(length, i => Contract.Canonical(30f * Contract.Tanh(x[i] * (1f / 30f))), capped);
    }

    [Property(MaxTest = 30)]
    public void GateOfRowsIsTheGateOfTheirHalves(int seed, byte width, byte count)
    {
        int columns = 1 + width % 50, rows = 1 + count % 5;
        float[] gateUp = AwkwardValues.Activations(rows * 2 * columns, seed), actual = new float[rows * columns], expected = new float[columns];
        Activation.GateRows(ActivationKind.Silu, gateUp, rows, columns, actual);
        for (int r = 0; r < rows; r++)
        {
            Activation.Gate(ActivationKind.Silu, gateUp.AsSpan(r * 2 * columns, columns), gateUp.AsSpan((r * 2 + 1) * columns, columns), expected);
            Assert.Equal(expected, actual[(r * columns)..((r + 1) * columns)]);
        }
    }

    [Property(MaxTest = 30)]
    public void RotationOfPairs(int seed, byte size, byte count)
    {
        int half = 1 + size % 40, heads = 1 + count % 3;
        RotaryTable table = new(20, 2 * half, 10000);
        float[] x = AwkwardValues.Activations(heads * 2 * half, seed), actual = [.. x], cos = table.Cosine(7).ToArray(), sin = table.Sine(7).ToArray();
        Rotary.Apply(actual, heads, 2 * half, cos, sin);
        Equal(
            x.Length,
            j =>
            {
                int i = j % half, a = j / (2 * half) * 2 * half + i, b = a + half;
                float first = x[a] * (j == a ? cos[i] : sin[i]), second = x[b] * (j == a ? sin[i] : cos[i]);
                return Contract.Canonical(j == a ? first - second : second + first);
            },
            actual);
    }

    /// <summary>Channels behind the pairs stay as they are, and queries have cosines of their own where the scaling says so.</summary>
    [Property(MaxTest = 20)]
    public void PartialRotationLeavesTheRest(int seed, byte size)
    {
        int half = 1 + size % 12, headSize = 2 * half + 1 + size % 5;
        RotaryTable table = new(40, 2 * half, 10000, new YarnRotaryScaling(4, 16, 32, 1, true, 1.2, 0.1));
        float[] x = AwkwardValues.Activations(2 * headSize, seed), actual = [.. x];
        Rotary.Apply(actual, 2, headSize, table.QueryCosine(33), table.QuerySine(33));
        for (int head = 0; head < 2; head++)
        {
            Assert.Equal(x[(head * headSize + 2 * half)..((head + 1) * headSize)], actual[(head * headSize + 2 * half)..((head + 1) * headSize)]);
            float[] alone = x[(head * headSize)..(head * headSize + 2 * half)];
            Rotary.Apply(alone, 1, 2 * half, table.QueryCosine(33), table.QuerySine(33));
            Assert.Equal(AwkwardValues.Bits(alone), AwkwardValues.Bits(actual[(head * headSize)..(head * headSize + 2 * half)]));
        }

        Assert.Equal((1 + 0.1 * Math.Log(3)) * table.Cosine(33)[0], table.QueryCosine(33)[0], 1e-6);
        Assert.Equal(table.Cosine(15)[0], table.QueryCosine(15)[0]);
    }

    /// <summary>A head by itself, or all heads together, has the bits of the norm of rows.</summary>
    [Property(MaxTest = 20)]
    public void QueryKeyNormsAreNormsOfRows(int seed, byte size, bool together)
    {
        int headSize = 1 + size % 70, width = together ? 3 * headSize : headSize;
        float[] x = AwkwardValues.Activations(3 * headSize, seed), gain = AwkwardValues.Activations(width, seed + 1), actual = [.. x], expected = new float[x.Length];
        QueryKeyNormalization.Apply(actual, gain, 1e-5f);
        Normalization.RmsNorm(x, together ? 1 : 3, width, gain, 1e-5f, expected);
        Assert.Equal(AwkwardValues.Bits(expected), AwkwardValues.Bits(actual));
    }

    [Fact]
    public void EmbeddingRowsAndPositions()
    {
        float[] values = AwkwardValues.Create(50, 5);
        byte[] table = new byte[200];
        Buffer.BlockCopy(values, 0, table, 0, 200);
        float[] x = new float[10];
        Embedding.Lookup(table, ElementType.Float32, 5, [9, 0], x);
        float[] expected = [.. values[45..].Concat(values[..5]).Select(Contract.Canonical)];
        Assert.Equal(AwkwardValues.Bits(expected), AwkwardValues.Bits(x));
        Embedding.Add(table, ElementType.Float32, 5, [3, 9], x);
        float[] second = [.. values[15..20].Concat(values[45..]).Select(Contract.Canonical)];
        Equal(10, i => Contract.Canonical(expected[i] + second[i]), x);
        Assert.Throws<ArgumentOutOfRangeException>(() => Embedding.Lookup(table, ElementType.Float32, 5, [10], new float[5]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Embedding.Lookup(table, ElementType.Float32, 5, [-1], new float[5]));
    }

    internal static void Equal(int length, Func<int, float> expected, float[] actual) =>
        Assert.Equal(AwkwardValues.Bits([.. Enumerable.Range(0, length).Select(expected)]), AwkwardValues.Bits(actual));
}
