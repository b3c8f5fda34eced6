using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.Baselines;

/// <summary>
/// L⁻¹ of the Cholesky factorisation H = L·Lᵀ of a damped, positive definite K×K matrix, in double precision.
/// </summary>
/// <remarks>
/// GPTQ wants the rows of the upper factor U of H⁻¹ = Uᵀ·U in the order in which columns are quantized. With the columns laid
/// out in the opposite order, U read backwards is exactly L⁻¹: no inverse of H is formed. Sums run in four fixed vectors of
/// four lanes, or with lanes as independent outputs, so that the bits depend on neither instruction set nor threads.
/// </remarks>
internal sealed class InverseFactor
{
    /// <summary>Columns that are factorised together.</summary>
    public const int Panel = 64;

    private InverseFactor(int size, double[] rows) => (Size, Rows) = (size, rows);

    /// <summary>K.</summary>
    public int Size { get; }

    /// <summary>L⁻¹, row-major K×K, zero above the diagonal.</summary>
    public double[] Rows { get; }

    /// <summary>Factorises.</summary>
    /// <param name="matrix">Symmetric positive definite K×K, row-major; the lower triangle is read and overwritten by L.</param>
    /// <param name="size">K.</param>
    /// <exception cref="ArithmeticException">The matrix is not positive definite.</exception>
    public static InverseFactor Of(double[] matrix, int size)
    {
        Factorise(matrix, size);
        return new InverseFactor(size, Invert(matrix, size));
    }

    private static void Factorise(double[] a, int n)
    {
        for (int start = 0; start < n; start += Panel)
        {
            int first = start, end = Math.Min(n, start + Panel);
            WorkerPool.Run(n - first, r =>
            {
                int i = first + r;
                for (int j = first; j < Math.Min(end, i + 1); j++)
                {
                    a[i * n + j] -= Dot(a.AsSpan(i * n, first), a.AsSpan(j * n, first));
                }
            });

            FinishPanel(a, first * n + first, n, first, n);
        }
    }

    /// <summary>The columns of a panel, once the products with the columns before them are gone from it.</summary>
    /// <param name="a">Holds the panel.</param>
    /// <param name="origin">Index of its first element, on the diagonal.</param>
    /// <param name="stride">Elements between its rows.</param>
    /// <param name="first">Its first column in the matrix.</param>
    /// <param name="n">Size of the matrix.</param>
    /// <exception cref="ArithmeticException">The matrix is not positive definite.</exception>
    public static void FinishPanel(double[] a, int origin, int stride, int first, int n)
    {
        int width = Math.Min(Panel, n - first), rows = n - first;
        for (int j = 0; j < width; j++)
        {
            int diagonal = origin + j * stride;
            double pivot = a[diagonal + j] - Dot(a.AsSpan(diagonal, j), a.AsSpan(diagonal, j));
            if (!(pivot > 0))
            {
                throw new ArithmeticException($"The matrix is not positive definite: pivot {pivot} in column {first + j} of {n}.");
            }

            a[diagonal + j] = Math.Sqrt(pivot);
            for (int i = j + 1; i < width; i++)
            {
                int at = origin + i * stride;
                a[at + j] = (a[at + j] - Dot(a.AsSpan(at, j), a.AsSpan(diagonal, j))) / a[diagonal + j];
            }
        }

        WorkerPool.Run(rows - width, r =>
        {
            int at = origin + (width + r) * stride;
            for (int j = 0; j < width; j++)
            {
                int diagonal = origin + j * stride;
                a[at + j] = (a[at + j] - Dot(a.AsSpan(at, j), a.AsSpan(diagonal, j))) / a[diagonal + j];
            }
        });
    }

    /// <summary>Rows of L⁻¹ by forward substitution; a strip of columns is independent of every other.</summary>
    private static double[] Invert(double[] l, int n)
    {
        const int Strip = 16;
        int padded = (n + Strip - 1) / Strip * Strip;
        double[] inverse = new double[n * n];
        WorkerPool.Run(padded / Strip, s =>
        {
            int c0 = s * Strip;
            double[] block = new double[n * Strip];
            ReadOnlySpan<Vector256<double>> vectors = MemoryMarshal.Cast<double, Vector256<double>>(block.AsSpan());
            for (int i = c0; i < n; i++)
            {
                Vector256<double> x0 = default, x1 = default, x2 = default, x3 = default;
                for (int k = c0; k < i; k++)
                {
                    Vector256<double> factor = Vector256.Create(l[i * n + k]);
                    x0 -= factor * vectors[k * 4];
                    x1 -= factor * vectors[k * 4 + 1];
                    x2 -= factor * vectors[k * 4 + 2];
                    x3 -= factor * vectors[k * 4 + 3];
                }

                Span<double> row = block.AsSpan(i * Strip, Strip);
                x0.CopyTo(row);
                x1.CopyTo(row[4..]);
                x2.CopyTo(row[8..]);
                x3.CopyTo(row[12..]);
                if (i < c0 + Strip)
                {
                    row[i - c0] += 1;
                }

                double diagonal = l[i * n + i];
                for (int c = 0; c < Strip; c++)
                {
                    row[c] /= diagonal;
                }

                row[..Math.Min(Strip, n - c0)].CopyTo(inverse.AsSpan(i * n + c0));
            }
        });
        return inverse;
    }

    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        ReadOnlySpan<Vector256<double>> x = MemoryMarshal.Cast<double, Vector256<double>>(a), y = MemoryMarshal.Cast<double, Vector256<double>>(b);
        Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
        int v = 0;
        for (; v + 4 <= x.Length; v += 4)
        {
            s0 += x[v] * y[v];
            s1 += x[v + 1] * y[v + 1];
            s2 += x[v + 2] * y[v + 2];
            s3 += x[v + 3] * y[v + 3];
        }

        for (; v < x.Length; v++)
        {
            s0 += x[v] * y[v];
        }

        Vector256<double> all = (s0 + s1) + (s2 + s3);
        double sum = (all[0] + all[1]) + (all[2] + all[3]);
        for (int i = x.Length * 4; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }
}
