using FsCheck.Xunit;
using Portable.Reference.Arithmetic;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Tests.Arithmetic;

/// <summary>Every output of a float product is Σ_k in ascending k with fused multiply-add, whatever the shape, tier or thread count.</summary>
public class FloatGemmTests
{
    [Property(MaxTest = 40)]
    public void ProductsAreSequentialFusedSums(int seed, byte rows, byte columns, ushort inner, bool accumulate, byte threads)
    {
        using WorkerPool pool = new(1 + threads % 5);
        using WorkerPool.Scope scope = pool.Use();

        // Beyond a strip of rows, a panel of columns and a block of steps.
        (int m, int n, int k) = (1 + rows % 60, 1 + columns % 140, 1 + inner % 700);
        float[] x = AwkwardValues.Activations(m * k, seed), w = AwkwardValues.Create(n * k, seed + 1, 6), y = AwkwardValues.Activations(m * n, seed + 2);
        float[] expected = accumulate ? [.. y] : new float[m * n];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                for (int l = 0; l < k; l++)
                {
                    expected[i * n + j] = MathF.FusedMultiplyAdd(x[i * k + l], w[j * k + l], expected[i * n + j]);
                }
            }
        }

        uint[] bits = AwkwardValues.Bits(expected);
        float[] nt = [.. y], nn = [.. y], tn = [.. y];
        FloatGemm.Multiply(x, w, nt, m, n, k, accumulate);
        Assert.Equal(bits, AwkwardValues.Bits(nt));
        float[] transposed = Transpose(w, n, k);
        FloatGemm.MultiplyNN(x, transposed, nn, m, n, k, accumulate);
        Assert.Equal(bits, AwkwardValues.Bits(nn));
        FloatGemm.MultiplyTN(Transpose(x, m, k), transposed, tn, m, n, k, accumulate);
        Assert.Equal(bits, AwkwardValues.Bits(tn));
    }

    [Property(MaxTest = 30)]
    public void TheUpperTriangleOfAGramMatrixIsThatOfTheProduct(int seed, byte size, byte inner)
    {
        (int n, int k) = (1 + size, 1 + inner % 70);
        float[] a = AwkwardValues.Activations(k * n, seed), whole = new float[n * n], upper = new float[n * n];
        FloatGemm.MultiplyTN(a, a, whole, n, n, k);
        FloatGemm.UpperGram(a, upper, n, k);
        for (int i = 0; i < n; i++)
        {
            Assert.Equal(AwkwardValues.Bits(whole.AsSpan(i * n + i, n - i)), AwkwardValues.Bits(upper.AsSpan(i * n + i, n - i)));
        }
    }

    [Property(MaxTest = 20)]
    public void WeightsOfEveryElementTypeGiveTheProductOfTheirValues(int seed, byte rows, byte columns, ushort inner)
    {
        (int m, int n, int k) = (1 + rows % 8, 1 + columns % 40, 1 + inner % 300);
        float[] x = AwkwardValues.Activations(m * k, seed), w = AwkwardValues.Activations(n * k, seed + 1), expected = new float[m * n], actual = new float[m * n];
        byte[] half = new byte[2 * w.Length], brain = new byte[2 * w.Length];
        for (int i = 0; i < w.Length; i++)
        {
            // Exact in both types.
            w[i] = (float)Math.Round(w[i] * 32) / 32;
            BitConverter.TryWriteBytes(half.AsSpan(2 * i), BitConverter.HalfToUInt16Bits((Half)w[i]));
            BitConverter.TryWriteBytes(brain.AsSpan(2 * i), (ushort)(BitConverter.SingleToUInt32Bits(w[i]) >> 16));
        }

        FloatGemm.Multiply(x, w, expected, m, n, k);
        FloatGemm.Multiply(x, half, ElementType.Float16, actual, m, n, k);
        Assert.Equal(AwkwardValues.Bits(expected), AwkwardValues.Bits(actual));
        FloatGemm.Multiply(x, brain, ElementType.BFloat16, actual, m, n, k);
        Assert.Equal(AwkwardValues.Bits(expected), AwkwardValues.Bits(actual));
    }

    /// <summary>Many pieces, so that the work is really split over rows and columns.</summary>
    [Theory]
    [InlineData(203, 33, 19)]
    [InlineData(1, 500, 40)]
    [InlineData(97, 257, 8)]
    public void SplittingDoesNotChangeResults(int m, int n, int k)
    {
        float[] x = AwkwardValues.Activations(m * k, 1), w = AwkwardValues.Activations(n * k, 2), whole = new float[m * n], row = new float[n];
        FloatGemm.Multiply(x, w, whole, m, n, k);
        for (int i = 0; i < m; i += 7)
        {
            FloatGemm.Multiply(x.AsSpan(i * k, k), w, row, 1, n, k);
            Assert.Equal(AwkwardValues.Bits(row), AwkwardValues.Bits(whole.AsSpan(i * n, n)));
        }
    }

    [Fact]
    public void EmptyAndMismatchedShapes()
    {
        float[] y = [1f, 2f];
        FloatGemm.Multiply([], [], y, 1, 2, 0, accumulate: true);
        Assert.Equal([1f, 2f], y);
        FloatGemm.Multiply([], [], y, 1, 2, 0);
        Assert.Equal([0f, 0f], y);
        FloatGemm.MultiplyNN([], [], [], 0, 0, 5);
        Assert.Throws<ArgumentException>(() => FloatGemm.Multiply(new float[3], new float[4], new float[4], 2, 2, 2));
        Assert.Throws<ArgumentException>(() => FloatGemm.MultiplyTN(new float[3], new float[4], new float[4], 2, 2, 2));
    }

    private static float[] Transpose(float[] matrix, int rows, int columns)
    {
        float[] result = new float[matrix.Length];
        for (int i = 0; i < matrix.Length; i++)
        {
            result[i % columns * rows + i / columns] = matrix[i];
        }

        return result;
    }
}
