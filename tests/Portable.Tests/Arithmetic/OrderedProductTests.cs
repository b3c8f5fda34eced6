using FsCheck.Xunit;
using Portable.Reference.Arithmetic;

namespace Portable.Tests.Arithmetic;

/// <summary>Every product is rounded and added to its output in the order of the steps, whatever the shape and the tier.</summary>
public unsafe class OrderedProductTests
{
    [Property(MaxTest = 60)]
    public void RowsAreAddedOneBehindTheOther(int seed, byte rows, byte steps, ushort columns, bool backwards)
    {
        (int m, int k, int n) = (1 + (rows % 21), steps % 150, columns % 600);
        Random random = new(seed);
        double[] a = Values(random, m * k), b = Values(random, k * n), actual = Values(random, m * n), expected = [.. actual];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                for (int l = 0; l < k; l++)
                {
                    double product = a[(i * k) + l] * b[((backwards ? k - 1 - l : l) * n) + j];
                    expected[(i * n) + j] += product;
                }
            }
        }

        fixed (double* left = a, right = b, sums = actual)
        {
            nint[] ofA = new nint[m], ofC = new nint[m];
            for (int i = 0; i < m; i++)
            {
                (ofA[i], ofC[i]) = ((nint)(left + (i * k)), (nint)(sums + (i * n)));
            }

            OrderedProduct.Add(ofA, backwards ? right + ((k - 1) * n) : right, backwards ? -n : n, k, ofC, n);
        }

        Assert.Equal(expected.Select(BitConverter.DoubleToUInt64Bits), actual.Select(BitConverter.DoubleToUInt64Bits));
    }

    private static double[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (random.NextDouble() - 0.5) * Math.ScaleB(1, random.Next(-20, 20)))];
}
