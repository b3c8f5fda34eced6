using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.Baselines;

/// <summary>
/// L⁻¹ in place of L by forward substitution, X[i] = (e_i − Σ_{k &lt; i} L[i][k]·X[k]) / L[i][i]: columns are lanes, products are subtracted one by one
/// in ascending k.
/// </summary>
/// <remarks>
/// A block of rows of L is copied aside, and its place receives those of the inverse, strips of columns side by side. Of a strip, a stretch of
/// rows that are there already is copied into tiles that stay in the first-level cache while the block's rows of L pass. Rows above a column's own hold
/// zeros: with them or without, a sum, which begins with +0 and is never −0, has the same bits.
/// </remarks>
internal static unsafe class InverseRows
{
    // Rows of a block, k of a stretch and columns of a strip, rows of L that a tile has. Of 2 · 192 · 96 + 96 · 96 doubles the second-level cache
    // has room for, each that comes from further away is used 96 or 192 times.
    private const int Block = 2 * Strip, Strip = 96, TileRows = 4;

    /// <summary>Columns of a tile: few of its operands are single values for all lanes, which some processors load more slowly.</summary>
    private static int TileColumns => Vector512.IsHardwareAccelerated ? 32 : 8;

    /// <summary>Inverts.</summary>
    /// <param name="l">L, row-major n×n; what is above its diagonal is not read, and cleared.</param>
    /// <param name="n">n.</param>
    public static void Replace(double* l, int n)
    {
        double* packed = (double*)NativeMemory.AlignedAlloc((nuint)(Block * sizeof(double)) * (nuint)(n + TileRows), 64);
        try
        {
            for (int start = 0; start < n; start += Block)
            {
                int first = start, rows = Math.Min(Block, n - first), tiles = (rows + TileRows - 1) / TileRows;
                WorkerPool.Run(tiles, t =>
                {
                    Pack(l, n, first, rows, t, packed);
                    for (int i = first + (t * TileRows); i < Math.Min(first + ((t + 1) * TileRows), n); i++)
                    {
                        new Span<double>(l + ((nint)i * n) + first + rows, n - first - rows).Clear();
                    }
                });

                // The longest strips first, each to whoever is free.
                int strips = (first + rows + Strip - 1) / Strip, next = -1;
                WorkerPool.Run(Math.Min(strips, WorkerPool.Threads), _ =>
                {
                    for (int strip; (strip = Interlocked.Increment(ref next)) < strips;)
                    {
                        Invert(l, n, first, rows, strip * Strip, packed);
                    }
                });
            }
        }
        finally
        {
            NativeMemory.AlignedFree(packed);
        }
    }

    /// <summary>A tile of rows of L, of each column all rows; stretches of all tiles lie one behind the other. Zeros where there is nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(double* l, int n, int first, int rows, int tile, double* packed)
    {
        int padded = (rows + TileRows - 1) / TileRows * TileRows;
        for (int k = 0; k <= first; k += Strip)
        {
            int length = k < first ? Strip : padded;
            double* to = packed + ((nint)k * padded) + (tile * TileRows * length);
            for (int r = 0; r < TileRows; r++)
            {
                int i = first + (tile * TileRows) + r;
                double* row = l + ((nint)i * n) + k;
                int known = i < n ? Math.Min(length, i + 1 - k) : 0;
                for (int c = 0; c < length; c++)
                {
                    to[(c * TileRows) + r] = c < known ? row[c] : 0;
                }
            }
        }
    }

    /// <summary>The block's rows of a strip of the inverse.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Invert(double* l, int n, int first, int rows, int column, double* packed)
    {
        int wide = TileColumns, padded = (rows + TileRows - 1) / TileRows * TileRows, tiles = padded / TileRows;
        double* x = Scratch.Get<double>(0, Strip * Strip), block = Scratch.Get<double>(1, Strip * Block);
        new Span<double>(block, Strip * padded).Clear();
        for (int k = column; k < first; k += Strip)
        {
            PackStrip(l + ((nint)k * n) + column, n, x);
            for (int c = 0; c < Strip; c += wide)
            {
                for (int t = 0; t < tiles; t++)
                {
                    Subtract(packed + ((nint)k * padded) + (t * TileRows * Strip), x + (c * Strip), block + (c * padded) + (t * TileRows * wide), Strip);
                }
            }
        }

        for (int c = 0; c < Strip; c += wide)
        {
            Finish(packed + ((nint)first * padded), block + (c * padded), rows, column + c - first);
        }

        int width = Math.Min(Strip, first + rows - column);
        for (int i = 0; i < rows; i++)
        {
            double* to = l + ((nint)(first + i) * n) + column;
            for (int c = 0; c < width; c += wide)
            {
                int count = Math.Min(wide, width - c);
                new ReadOnlySpan<double>(block + (c * padded) + (i * wide), count).CopyTo(new Span<double>(to + c, count));
            }
        }
    }

    /// <summary>What rows of the block itself owe to those before them, the one on the diagonal, and the quotients, for a tile's columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(double* factors, double* block, int rows, int column)
    {
        int wide = TileColumns, padded = (rows + TileRows - 1) / TileRows * TileRows;
        for (int t = 0; t * TileRows < rows; t++)
        {
            double* tile = block + (t * TileRows * wide), l = factors + (t * TileRows * padded);
            Subtract(l, block, tile, t * TileRows);
            l += t * TileRows * TileRows;
            for (int r = 0; r < Math.Min(TileRows, rows - (t * TileRows)); r++)
            {
                double* row = tile + (r * wide);
                int one = (t * TileRows) + r - column;
                for (int v = 0; v < wide; v += 4)
                {
                    Vector256<double> sum = Vector256.Load(row + v);
                    for (int k = 0; k < r; k++)
                    {
                        sum -= Vector256.Create(l[(k * TileRows) + r]) * Vector256.Load(tile + (k * wide) + v);
                    }

                    sum.Store(row + v);
                }

                if (one >= 0 && one < wide)
                {
                    row[one] += 1;
                }

                for (int v = 0; v < wide; v += 4)
                {
                    (Vector256.Load(row + v) / Vector256.Create(l[(r * TileRows) + r])).Store(row + v);
                }
            }
        }
    }

    /// <summary>A stretch of rows of a strip of the inverse, by tiles of columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackStrip(double* from, int n, double* to)
    {
        int wide = TileColumns;
        for (int k = 0; k < Strip; k++, from += n, to += wide)
        {
            double* target = to;
            for (int c = 0; c < Strip; c += wide, target += Strip * wide)
            {
                if (Vector512.IsHardwareAccelerated)
                {
                    Vector512.Load(from + c).Store(target);
                    Vector512.Load(from + c + 8).Store(target + 8);
                    Vector512.Load(from + c + 16).Store(target + 16);
                    Vector512.Load(from + c + 24).Store(target + 24);
                }
                else
                {
                    Vector256.Load(from + c).Store(target);
                    Vector256.Load(from + c + 4).Store(target + 4);
                }
            }
        }
    }

    private static void Subtract(double* l, double* x, double* sums, int steps)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Subtract8(l, x, sums, steps);
        }
        else
        {
            Subtract4(l, x, sums, steps);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Subtract8(double* l, double* x, double* sums, int steps)
    {
        Vector512<double> s00 = Vector512.Load(sums), s01 = Vector512.Load(sums + 8), s02 = Vector512.Load(sums + 16), s03 = Vector512.Load(sums + 24);
        Vector512<double> s10 = Vector512.Load(sums + 32), s11 = Vector512.Load(sums + 40), s12 = Vector512.Load(sums + 48), s13 = Vector512.Load(sums + 56);
        Vector512<double> s20 = Vector512.Load(sums + 64), s21 = Vector512.Load(sums + 72), s22 = Vector512.Load(sums + 80), s23 = Vector512.Load(sums + 88);
        Vector512<double> s30 = Vector512.Load(sums + 96), s31 = Vector512.Load(sums + 104), s32 = Vector512.Load(sums + 112), s33 = Vector512.Load(sums + 120);
        for (; steps > 0; steps--, l += 4, x += 32)
        {
            Vector512<double> x0 = Vector512.Load(x), x1 = Vector512.Load(x + 8), x2 = Vector512.Load(x + 16), x3 = Vector512.Load(x + 24), v = Vector512.Create(l[0]);
            s00 -= v * x0;
            s01 -= v * x1;
            s02 -= v * x2;
            s03 -= v * x3;
            v = Vector512.Create(l[1]);
            s10 -= v * x0;
            s11 -= v * x1;
            s12 -= v * x2;
            s13 -= v * x3;
            v = Vector512.Create(l[2]);
            s20 -= v * x0;
            s21 -= v * x1;
            s22 -= v * x2;
            s23 -= v * x3;
            v = Vector512.Create(l[3]);
            s30 -= v * x0;
            s31 -= v * x1;
            s32 -= v * x2;
            s33 -= v * x3;
        }

        s00.Store(sums);
        s01.Store(sums + 8);
        s02.Store(sums + 16);
        s03.Store(sums + 24);
        s10.Store(sums + 32);
        s11.Store(sums + 40);
        s12.Store(sums + 48);
        s13.Store(sums + 56);
        s20.Store(sums + 64);
        s21.Store(sums + 72);
        s22.Store(sums + 80);
        s23.Store(sums + 88);
        s30.Store(sums + 96);
        s31.Store(sums + 104);
        s32.Store(sums + 112);
        s33.Store(sums + 120);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Subtract4(double* l, double* x, double* sums, int steps)
    {
        Vector256<double> s00 = Vector256.Load(sums), s01 = Vector256.Load(sums + 4), s10 = Vector256.Load(sums + 8), s11 = Vector256.Load(sums + 12);
        Vector256<double> s20 = Vector256.Load(sums + 16), s21 = Vector256.Load(sums + 20), s30 = Vector256.Load(sums + 24), s31 = Vector256.Load(sums + 28);
        for (; steps > 0; steps--, l += 4, x += 8)
        {
            Vector256<double> x0 = Vector256.Load(x), x1 = Vector256.Load(x + 4), v = Vector256.Create(l[0]);
            s00 -= v * x0;
            s01 -= v * x1;
            v = Vector256.Create(l[1]);
            s10 -= v * x0;
            s11 -= v * x1;
            v = Vector256.Create(l[2]);
            s20 -= v * x0;
            s21 -= v * x1;
            v = Vector256.Create(l[3]);
            s30 -= v * x0;
            s31 -= v * x1;
        }

        s00.Store(sums);
        s01.Store(sums + 4);
        s10.Store(sums + 8);
        s11.Store(sums + 12);
        s20.Store(sums + 16);
        s21.Store(sums + 20);
        s30.Store(sums + 24);
        s31.Store(sums + 28);
    }
}
