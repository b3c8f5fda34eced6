using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Arithmetic;

/// <summary>
/// c += a·b of doubles for a few rows, every product rounded, added to its output in the order of the steps: what adding scaled rows of b to each row
/// of c, one behind the other, gives to the bit. b, which comes from far away, is read once for all rows, and outputs stay in registers for some steps.
/// </summary>
internal static unsafe class OrderedProduct
{
    // A piece of b, 8 × 256, and of the outputs beside it lie in the first-level cache.
    private const int Steps = 8, Columns = 256;

    /// <summary>c[r][j] += a[r][0]·b[0][j], then a[r][1]·b[1][j], …</summary>
    /// <param name="a">First element of each row of a.</param>
    /// <param name="b">First row of b.</param>
    /// <param name="stride">Elements between rows of b; may be negative.</param>
    /// <param name="steps">Rows of b.</param>
    /// <param name="c">First element of each row of c.</param>
    /// <param name="columns">Columns of b and c.</param>
    public static void Add(ReadOnlySpan<nint> a, double* b, nint stride, int steps, ReadOnlySpan<nint> c, int columns)
    {
        for (int j = 0; j < columns; j += Columns)
        {
            int width = Math.Min(Columns, columns - j);
            for (int i = 0; i < steps; i += Steps)
            {
                int count = Math.Min(Steps, steps - i);
                double* rows = b + i * stride + j;
                int r = 0;
                for (; r <= a.Length - 4; r += 4)
                {
                    double* a0 = (double*)a[r] + i, a1 = (double*)a[r + 1] + i, a2 = (double*)a[r + 2] + i, a3 = (double*)a[r + 3] + i;
                    double* c0 = (double*)c[r] + j, c1 = (double*)c[r + 1] + j, c2 = (double*)c[r + 2] + j, c3 = (double*)c[r + 3] + j;
                    int done = Vector512.IsHardwareAccelerated
                        ? Four<Lanes512, Vector512<double>>(a0, a1, a2, a3, rows, stride, count, c0, c1, c2, c3, width)
                        : Four<Lanes256, Vector256<double>>(a0, a1, a2, a3, rows, stride, count, c0, c1, c2, c3, width);
                    Rest(a0, rows, stride, count, c0, done, width);
                    Rest(a1, rows, stride, count, c1, done, width);
                    Rest(a2, rows, stride, count, c2, done, width);
                    Rest(a3, rows, stride, count, c3, done, width);
                }

                for (; r < a.Length; r++)
                {
                    double* a0 = (double*)a[r] + i, c0 = (double*)c[r] + j;
                    Rest(a0, rows, stride, count, c0, One(a0, rows, stride, count, c0, width), width);
                }
            }
        }
    }

    /// <summary>Four rows by pairs of vectors; returns the columns that were done.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Four<TLanes, TVector>(
        double* a0, double* a1, double* a2, double* a3, double* b, nint stride, int steps, double* c0, double* c1, double* c2, double* c3, int columns)
        where TLanes : ILanes<TVector>
        where TVector : struct
    {
        int j = 0;
        for (; j <= columns - 2 * TLanes.Count; j += 2 * TLanes.Count)
        {
            int next = j + TLanes.Count;
            TVector c00 = TLanes.Load(c0 + j), c01 = TLanes.Load(c0 + next), c10 = TLanes.Load(c1 + j), c11 = TLanes.Load(c1 + next);
            TVector c20 = TLanes.Load(c2 + j), c21 = TLanes.Load(c2 + next), c30 = TLanes.Load(c3 + j), c31 = TLanes.Load(c3 + next);
            double* row = b + j;
            for (nint i = 0; i < steps; i++, row += stride)
            {
                TVector b0 = TLanes.Load(row), b1 = TLanes.Load(row + TLanes.Count), v = TLanes.Broadcast(a0[i]);
                c00 = TLanes.MultiplyAdd(v, b0, c00);
                c01 = TLanes.MultiplyAdd(v, b1, c01);
                v = TLanes.Broadcast(a1[i]);
                c10 = TLanes.MultiplyAdd(v, b0, c10);
                c11 = TLanes.MultiplyAdd(v, b1, c11);
                v = TLanes.Broadcast(a2[i]);
                c20 = TLanes.MultiplyAdd(v, b0, c20);
                c21 = TLanes.MultiplyAdd(v, b1, c21);
                v = TLanes.Broadcast(a3[i]);
                c30 = TLanes.MultiplyAdd(v, b0, c30);
                c31 = TLanes.MultiplyAdd(v, b1, c31);
            }

            TLanes.Store(c0 + j, c00);
            TLanes.Store(c0 + next, c01);
            TLanes.Store(c1 + j, c10);
            TLanes.Store(c1 + next, c11);
            TLanes.Store(c2 + j, c20);
            TLanes.Store(c2 + next, c21);
            TLanes.Store(c3 + j, c30);
            TLanes.Store(c3 + next, c31);
        }

        return j;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int One(double* a, double* b, nint stride, int steps, double* c, int columns)
    {
        int j = 0;
        for (; j <= columns - Vector256<double>.Count; j += Vector256<double>.Count)
        {
            Vector256<double> sum = Vector256.Load(c + j);
            double* row = b + j;
            for (nint i = 0; i < steps; i++, row += stride)
            {
                sum += Vector256.Create(a[i]) * Vector256.Load(row);
            }

            sum.Store(c + j);
        }

        return j;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rest(double* a, double* b, nint stride, int steps, double* c, int done, int columns)
    {
        for (int j = done; j < columns; j++)
        {
            double sum = c[j];
            for (nint i = 0; i < steps; i++)
            {
                sum += a[i] * b[i * stride + j];
            }

            c[j] = sum;
        }
    }

    private interface ILanes<TVector>
    {
        static abstract int Count { get; }

        static abstract TVector Load(double* source);

        static abstract void Store(double* destination, TVector value);

        static abstract TVector Broadcast(double value);

        static abstract TVector MultiplyAdd(TVector a, TVector b, TVector c);
    }

    private readonly struct Lanes512 : ILanes<Vector512<double>>
    {
        public static int Count => 8;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<double> Load(double* source) => Vector512.Load(source);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(double* destination, Vector512<double> value) => value.Store(destination);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<double> Broadcast(double value) => Vector512.Create(value);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector512<double> MultiplyAdd(Vector512<double> a, Vector512<double> b, Vector512<double> c) => c + (a * b);
    }

    private readonly struct Lanes256 : ILanes<Vector256<double>>
    {
        public static int Count => 4;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<double> Load(double* source) => Vector256.Load(source);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Store(double* destination, Vector256<double> value) => value.Store(destination);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<double> Broadcast(double value) => Vector256.Create(value);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<double> MultiplyAdd(Vector256<double> a, Vector256<double> b, Vector256<double> c) => c + (a * b);
    }
}
