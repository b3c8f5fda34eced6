using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Tests.Oracle;
using Xunit;

namespace Portable.Tests.BitPlanes;

/// <summary>What every kernel must satisfy, with zero tolerance; throws where one does not.</summary>
internal static class KernelContract
{
    public static void Check(MatmulKernel kernel, MatmulCase c)
    {
        CodeFormat weights = new(c.WeightBits, c.WeightSigned), activations = new(c.ActivationBits, c.ActivationSigned);
        foreach (bool baseFive in (bool[])[false, true])
        {
            if (KernelTable.Serves(kernel, weights, activations, baseFive) && (c.FitsBaseFive || !baseFive))
            {
                MatmulOperands operands = new(c, baseFive);
                CheckIntegers(kernel, c, operands);
                CheckFloats(kernel, c, operands);
            }
        }
    }

    private static void CheckIntegers(MatmulKernel kernel, MatmulCase c, MatmulOperands operands)
    {
        const int Guard = 16, Canary = 0x5A5A5A5A;
        int count = c.M * c.N * c.Groups;
        bool digits = c.ActivationBits == 16;
        int[] low = new int[count + Guard], high = new int[digits ? count + Guard : 0];
        Array.Fill(low, Canary);
        Array.Fill(high, Canary);
        BitMatmul.Accumulate(operands.X, operands.Linear.Weights, low, high, kernel);
        int[] x = digits ? Array.ConvertAll(c.X, v => v & 255) : c.X, xHigh = digits ? Array.ConvertAll(c.X, v => v >> 8) : c.X;
        for (int i = 0; i < count; i++)
        {
            int n = i % c.N, m = i / c.N % c.M, g = i / c.N / c.M, first = g * c.GroupSize, end = Math.Min(c.K, first + c.GroupSize);
            Equal(MatmulOracle.Dot(x, m, c.W, n, c.K, first, end), low[i], kernel, c, m, n, g);
            if (digits)
            {
                Equal(MatmulOracle.Dot(xHigh, m, c.W, n, c.K, first, end), high[i], kernel, c, m, n, g);
            }
        }

        Assert.All(low[count..], v => Assert.Equal(Canary, v));
    }

    private static void CheckFloats(MatmulKernel kernel, MatmulCase c, MatmulOperands operands)
    {
        const float Canary = 12345.678f;
        int stride = c.N + 3;
        float[] y = new float[c.M * stride];
        Array.Fill(y, Canary);
        BitMatmul.Multiply(operands.X, operands.Linear, y, stride, kernel);
        for (int m = 0; m < c.M; m++)
        {
            for (int n = 0; n < stride; n++)
            {
                float expected = n < c.N ? MatmulOracle.Linear(c, m, n) : Canary, actual = y[m * stride + n];
                Assert.True(
                    BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(actual),
                    $"{kernel.Name} {c}: y[{m}, {n}] is {actual:R}, not {expected:R}.");
            }
        }
    }

    private static void Equal(long expected, int actual, MatmulKernel kernel, MatmulCase c, int m, int n, int g) =>
        Assert.True(expected == actual, $"{kernel.Name} {c}: sum[{g}][{m}, {n}] is {actual}, not {expected}.");
}
