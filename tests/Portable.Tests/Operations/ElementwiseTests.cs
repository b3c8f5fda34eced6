using FsCheck.Xunit;
using Portable.Reference.Arithmetic;
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
        Gate.Silu(x, y, actual);
        Equal(length, i => Contract.Canonical(x[i] * Contract.Reciprocal(1f + Contract.Exp(-x[i])) * y[i]), actual);
        Activation.Relu(y, actual);
        Equal(length, i => Contract.Canonical(MathF.Max(y[i], 0f)), actual);
    }

    [Property(MaxTest = 30)]
    public void GateOfRowsIsTheGateOfTheirHalves(int seed, byte width, byte count)
    {
        int columns = 1 + width % 50, rows = 1 + count % 5;
        float[] gateUp = AwkwardValues.Activations(rows * 2 * columns, seed), actual = new float[rows * columns], expected = new float[columns];
        Gate.SiluRows(gateUp, rows, columns, actual);
        for (int r = 0; r < rows; r++)
        {
            Gate.Silu(gateUp.AsSpan(r * 2 * columns, columns), gateUp.AsSpan((r * 2 + 1) * columns, columns), expected);
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
