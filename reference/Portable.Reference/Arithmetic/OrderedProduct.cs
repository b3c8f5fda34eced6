using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.Arithmetic;

/// <summary>
/// c += a·b of doubles for a few rows, every product rounded, added to its output in the order of the steps: what adding scaled rows of b to each row
/// of c, one behind the other, gives to the bit. b, which comes from far away, is read once for all rows, and outputs stay in registers for some steps.
/// </summary>
internal static unsafe class OrderedProduct
{
    /// <summary>Steps that outputs stay in registers for.</summary>
    public const int Steps = 64;

    // A piece of b, 64 × 256, is copied for many rows into tiles, which lie in the second-level cache, each in the first-level one while rows pass.
    private const int Columns = 256, RowsWorthACopy = 16;

    private const int Slot = 2;

    private static int TileColumns => Vector512.IsHardwareAccelerated ? 32 : 8;

    /// <summary>c[r][j] += a[r][0]·b[0][j], then a[r][1]·b[1][j], …</summary>
    /// <param name="a">First element of each row of a.</param>
    /// <param name="b">First row of b.</param>
    /// <param name="stride">Elements between rows of b; may be negative.</param>
    /// <param name="steps">Rows of b.</param>
    /// <param name="c">First element of each row of c.</param>
    /// <param name="columns">Columns of b and c.</param>
    public static void Add(ReadOnlySpan<nint> a, double* b, nint stride, int steps, ReadOnlySpan<nint> c, int columns)
    {
        int tile = TileColumns;
        double* copy = a.Length >= RowsWorthACopy ? Scratch.Get<double>(Slot, Steps * Columns) : null;
        for (int j = 0; j < columns; j += Columns)
        {
            int width = Math.Min(Columns, columns - j), tiled = width / tile * tile;
            for (int i = 0; i < steps; i += Steps)
            {
                int count = Math.Min(Steps, steps - i);
                double* rows = b + (i * stride) + j;
                if (copy != null)
                {
                    Copy(rows, stride, count, tiled, copy);
                }

                for (int t = 0; t < tiled; t += tile)
                {
                    double* piece = copy != null ? copy + (t * count) : rows + t;
                    AddFours(a, piece, copy != null ? tile : stride, count, c, i, j + t, tile);
                }

                AddFours(a, rows + tiled, stride, count, c, i, j + tiled, width - tiled);
            }
        }
    }

    /// <summary>A piece of b, a tile of columns behind the other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy(double* from, nint stride, int steps, int columns, double* to)
    {
        int tile = TileColumns;
        for (int i = 0; i < steps; i++, from += stride, to += tile)
        {
            double* target = to;
            for (int j = 0; j < columns; j += tile, target += steps * tile)
            {
                for (int v = 0; v < tile; v += 8)
                {
                    if (Vector512.IsHardwareAccelerated)
                    {
                        Vector512.Load(from + j + v).Store(target + v);
                    }
                    else
                    {
                        Vector256.Load(from + j + v).Store(target + v);
                        Vector256.Load(from + j + v + 4).Store(target + v + 4);
                    }
                }
            }
        }
    }

    /// <summary>All rows by fours for a tile, or for what is narrower than one. Rows that the last four lacks go where nobody looks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFours(ReadOnlySpan<nint> a, double* b, nint stride, int steps, ReadOnlySpan<nint> c, int step, int column, int width)
    {
        double* nowhere = stackalloc double[32];
        for (int r = 0; r < a.Length && width > 0; r += 4)
        {
            int last = a.Length - 1;
            double* a0 = (double*)a[r] + step, a1 = (double*)a[Math.Min(r + 1, last)] + step, a2 = (double*)a[Math.Min(r + 2, last)] + step, a3 = (double*)a[Math.Min(r + 3, last)] + step;
            double* c0 = (double*)c[r] + column, c1 = r + 1 <= last ? (double*)c[r + 1] + column : nowhere;
            double* c2 = r + 2 <= last ? (double*)c[r + 2] + column : nowhere, c3 = r + 3 <= last ? (double*)c[r + 3] + column : nowhere;
            if (Vector512.IsHardwareAccelerated && width == 32)
            {
                Tile(a0, a1, a2, a3, b, stride, steps, c0, c1, c2, c3);
                continue;
            }

            int done = Vector512.IsHardwareAccelerated
                ? Four<Lanes512, Vector512<double>>(a0, a1, a2, a3, b, stride, steps, c0, c1, c2, c3, width)
                : Four<Lanes256, Vector256<double>>(a0, a1, a2, a3, b, stride, steps, c0, c1, c2, c3, width);
            if (done < width)
            {
                Rest(a0, b, stride, steps, c0, done, width);
                Rest(a1, b, stride, steps, c1, done, width);
                Rest(a2, b, stride, steps, c2, done, width);
                Rest(a3, b, stride, steps, c3, done, width);
            }
        }
    }

    /// <summary>Four rows by 32 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile(double* a0, double* a1, double* a2, double* a3, double* b, nint stride, int steps, double* c0, double* c1, double* c2, double* c3)
    {
        Vector512<double> c00 = Vector512.Load(c0), c01 = Vector512.Load(c0 + 8), c02 = Vector512.Load(c0 + 16), c03 = Vector512.Load(c0 + 24);
        Vector512<double> c10 = Vector512.Load(c1), c11 = Vector512.Load(c1 + 8), c12 = Vector512.Load(c1 + 16), c13 = Vector512.Load(c1 + 24);
        Vector512<double> c20 = Vector512.Load(c2), c21 = Vector512.Load(c2 + 8), c22 = Vector512.Load(c2 + 16), c23 = Vector512.Load(c2 + 24);
        Vector512<double> c30 = Vector512.Load(c3), c31 = Vector512.Load(c3 + 8), c32 = Vector512.Load(c3 + 16), c33 = Vector512.Load(c3 + 24);
        for (nint i = 0; i < steps; i++, b += stride)
        {
            Vector512<double> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 8), b2 = Vector512.Load(b + 16), b3 = Vector512.Load(b + 24), v = Vector512.Create(a0[i]);
            c00 += v * b0;
            c01 += v * b1;
            c02 += v * b2;
            c03 += v * b3;
            v = Vector512.Create(a1[i]);
            c10 += v * b0;
            c11 += v * b1;
            c12 += v * b2;
            c13 += v * b3;
            v = Vector512.Create(a2[i]);
            c20 += v * b0;
            c21 += v * b1;
            c22 += v * b2;
            c23 += v * b3;
            v = Vector512.Create(a3[i]);
            c30 += v * b0;
            c31 += v * b1;
            c32 += v * b2;
            c33 += v * b3;
        }

        c00.Store(c0);
        c01.Store(c0 + 8);
        c02.Store(c0 + 16);
        c03.Store(c0 + 24);
        c10.Store(c1);
        c11.Store(c1 + 8);
        c12.Store(c1 + 16);
        c13.Store(c1 + 24);
        c20.Store(c2);
        c21.Store(c2 + 8);
        c22.Store(c2 + 16);
        c23.Store(c2 + 24);
        c30.Store(c3);
        c31.Store(c3 + 8);
        c32.Store(c3 + 16);
        c33.Store(c3 + 24);
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
