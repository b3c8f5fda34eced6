using System.Runtime.CompilerServices;
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
internal sealed unsafe class InverseFactor
{
    /// <summary>Columns that are factorised together.</summary>
    public const int Panel = 64;

    // Rows below a panel that are finished side by side, and how many times so many are one thread's piece.
    private const int RowLanes = 8, RowPiece = 4;

    private InverseFactor(int size, double[] rows) => (Size, Rows) = (size, rows);

    /// <summary>K.</summary>
    public int Size { get; }

    /// <summary>L⁻¹, row-major K×K, zero above the diagonal.</summary>
    public double[] Rows { get; }

    /// <summary>Factorises.</summary>
    /// <param name="matrix">Symmetric positive definite K×K, row-major; the lower triangle is read. L, and then L⁻¹ with zeros, take its place.</param>
    /// <param name="size">K.</param>
    /// <exception cref="ArithmeticException">The matrix is not positive definite.</exception>
    public static InverseFactor Of(double[] matrix, int size)
    {
        fixed (double* a = matrix)
        {
            Factorise(a, size);
            InverseRows.Replace(a, size);
        }

        return new InverseFactor(size, matrix);
    }

    private static void Factorise(double* a, int n)
    {
        using PanelProducts products = new(a, n);
        double* diagonal = stackalloc double[Panel * Panel];
        for (int first = 0; first < n; first += Panel)
        {
            int width = Math.Min(Panel, n - first);
            products.Subtract(first, width);
            double* panel = a + ((nint)first * n) + first;
            FinishDiagonal(panel, diagonal, width, first, n);
            int below = n - first - width, piece = RowLanes * RowPiece;
            WorkerPool.Run((below + piece - 1) / piece, p =>
            {
                for (int r = p * piece; r < Math.Min(below, (p + 1) * piece); r += RowLanes)
                {
                    FinishRows(panel + ((nint)(width + r) * n), Math.Min(RowLanes, below - r), diagonal, width, n);
                }
            });
        }
    }

    /// <summary>L of the block on the diagonal, once the products with the columns before it are gone from it; and a copy with rows of <see cref="Panel"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FinishDiagonal(double* panel, double* copy, int width, int first, int n)
    {
        for (int i = 0; i < width; i++)
        {
            new ReadOnlySpan<double>(panel + ((nint)i * n), i + 1).CopyTo(new Span<double>(copy + (i * Panel), Panel));
        }

        for (int j = 0; j < width; j++)
        {
            double* diagonal = copy + (j * Panel);
            double pivot = diagonal[j] - Dot(new(diagonal, j), new(diagonal, j));
            if (!(pivot > 0))
            {
                throw new ArithmeticException($"The matrix is not positive definite: pivot {pivot} in column {first + j} of {n}.");
            }

            diagonal[j] = Math.Sqrt(pivot);
            for (int i = j + 1; i < width; i++)
            {
                double* row = copy + (i * Panel);
                row[j] = (row[j] - Dot(new(row, j), new(diagonal, j))) / diagonal[j];
            }
        }

        for (int i = 0; i < width; i++)
        {
            new ReadOnlySpan<double>(copy + (i * Panel), i + 1).CopyTo(new Span<double>(panel + ((nint)i * n), i + 1));
        }
    }

    /// <summary>The same columns of rows below that block, which are the lanes of two vectors: each takes the sums of <see cref="Dot"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FinishRows(double* rows, int count, double* diagonal, int width, int n)
    {
        Vector256<double>* x = stackalloc Vector256<double>[2 * Panel], s = stackalloc Vector256<double>[2 * 16];
        for (int r = 0; r < RowLanes; r++)
        {
            double* row = rows + ((nint)Math.Min(r, count - 1) * n);
            for (int j = 0; j < width; j++)
            {
                ((double*)x)[(j * RowLanes) + r] = row[j];
            }
        }

        for (int j = 0; j < width; j++)
        {
            double* factors = diagonal + (j * Panel);
            int whole = j / 16 * 16, vectors = j / 4 * 4;
            for (int l = 0; l < 16; l++)
            {
                Vector256<double> low = default, high = default;
                for (int k = l; k < whole; k += 16)
                {
                    Vector256<double> factor = Vector256.Create(factors[k]);
                    low += x[2 * k] * factor;
                    high += x[(2 * k) + 1] * factor;
                }

                for (int k = whole + l; k < vectors && l < 4; k += 4)
                {
                    Vector256<double> factor = Vector256.Create(factors[k]);
                    low += x[2 * k] * factor;
                    high += x[(2 * k) + 1] * factor;
                }

                (s[2 * l], s[(2 * l) + 1]) = (low, high);
            }

            for (int half = 0; half < 2; half++, s++)
            {
                Vector256<double> sum = (((s[0] + s[8]) + (s[16] + s[24])) + ((s[2] + s[10]) + (s[18] + s[26])))
                    + (((s[4] + s[12]) + (s[20] + s[28])) + ((s[6] + s[14]) + (s[22] + s[30])));
                for (int k = vectors; k < j; k++)
                {
                    sum += x[(2 * k) + half] * Vector256.Create(factors[k]);
                }

                x[(2 * j) + half] = (x[(2 * j) + half] - sum) / Vector256.Create(factors[j]);
            }

            s -= 2;
        }

        for (int r = 0; r < count; r++)
        {
            double* row = rows + ((nint)r * n);
            for (int j = 0; j < width; j++)
            {
                row[j] = ((double*)x)[(j * RowLanes) + r];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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
