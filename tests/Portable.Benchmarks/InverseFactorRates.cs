using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Threading;

namespace Portable.Benchmarks;

/// <summary>Seconds of a Cholesky factor and its inverse, what that is in unfused multiply-adds a second, and a hash of the bits, which no change may change.</summary>
internal static class InverseFactorRates
{
    /// <summary>Measures matrices of the sizes, the fastest of three runs up to 5,000, and prints a table.</summary>
    /// <param name="sizes">K of each.</param>
    public static void Print(IEnumerable<int> sizes)
    {
        Console.WriteLine($"K, seconds of L and its inverse, K³/3 multiply-adds, SHA-256 of the inverse; threads: {WorkerPool.Threads}");
        foreach (int n in sizes)
        {
            double seconds = double.PositiveInfinity;
            InverseFactor factor = null!;
            for (int run = 0; run < (n > 5000 ? 1 : 3); run++)
            {
                double[] matrix = Matrix(n);
                Stopwatch watch = Stopwatch.StartNew();
                factor = InverseFactor.Of(matrix, n);
                seconds = Math.Min(seconds, watch.Elapsed.TotalSeconds);
            }

            using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            for (int i = 0; i < n; i++)
            {
                hash.AppendData(MemoryMarshal.AsBytes(factor.Rows.AsSpan(i * n, n)));
            }

            Console.WriteLine(FormattableString.Invariant($"{n,6} {seconds,8:F3} s {Math.Pow(n, 3) / 3 / seconds / 1e9,8:F2} G/s  {Convert.ToHexStringLower(hash.GetHashAndReset())[..16]}"));
        }
    }

    /// <summary>Positive definite: the diagonal outweighs random elements.</summary>
    private static double[] Matrix(int n)
    {
        double[] matrix = new double[n * n];
        Random random = new(n);
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < i; j++)
            {
                matrix[i * n + j] = random.NextDouble() - 0.5;
            }

            matrix[i * n + i] = 0.1 * n + random.NextDouble();
        }

        return matrix;
    }
}
