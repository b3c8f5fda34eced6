using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.Baselines;

/// <summary>
/// What a panel of a Cholesky factor owes to the columns before it, a[i][j] −= Σ_{k &lt; first} a[i][k]·a[j][k]. Each sum is 16 partial sums, of which
/// the l-th takes products l, l + 16, l + 32, … in their order; they are added pairwise at the end.
/// </summary>
/// <remarks>
/// As partial sums do not meet before the end, those of a few lanes of 8 rows (4 where vectors are shorter) and 2 columns stay in registers for a
/// stretch of k, and in the second-level cache between stretches. Rows and columns are copied for it: in a tile, what a step reads is one behind the other.
/// A stretch of a tile of rows stays in the first-level cache while the columns, which come from the second, pass.
/// </remarks>
internal sealed unsafe class PanelProducts : IDisposable
{
    // k of a stretch and rows of a piece: 0.4 MB of columns, 0.15 of rows and 0.2 of partial sums.
    private const int Stretch = 768, Piece = 24;

    private const int Partials = 16, Pair = 2;

    private readonly double* _a, _panel;
    private readonly int _n;

    /// <summary>Working memory for panels of a matrix.</summary>
    /// <param name="a">n×n, row-major; it must not move.</param>
    /// <param name="n">n.</param>
    public PanelProducts(double* a, int n)
    {
        _a = a;
        _n = n;
        _panel = (double*)NativeMemory.AlignedAlloc((nuint)(InverseFactor.Panel * sizeof(double)) * (nuint)n, 64);
    }

    /// <summary>Lanes of a vector, and rows of a tile.</summary>
    private static int Lanes => Vector512.IsHardwareAccelerated ? 8 : 4;

    /// <summary>Subtracts from the lower triangle of the rows from the panel's first.</summary>
    /// <param name="first">First column of the panel, a multiple of 16; L stands before it.</param>
    /// <param name="width">Columns, at most <see cref="InverseFactor.Panel"/>.</param>
    public void Subtract(int first, int width)
    {
        if (first == 0)
        {
            return;
        }

        int pairs = (width + Pair - 1) / Pair;
        WorkerPool.Run(pairs, p =>
        {
            for (int k = 0; k < first; k += Stretch)
            {
                int count = Math.Min(Stretch, first - k);
                Pack(first + (Pair * p), Math.Min(Pair, width - (Pair * p)), Pair, k, count, _panel + ((nint)k * Pair * pairs) + (Pair * p * count));
            }
        });

        // Where little is left, pieces get smaller, so that every thread has some.
        int rows = _n - first, piece = Math.Clamp(rows / (2 * WorkerPool.Threads) / Lanes * Lanes, Lanes, Piece);
        WorkerPool.Run((rows + piece - 1) / piece, i => SubtractRows(first, width, first + (i * piece), Math.Min(piece, rows - (i * piece))));
    }

    /// <inheritdoc/>
    public void Dispose() => NativeMemory.AlignedFree(_panel);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void SubtractRows(int first, int width, int row, int count)
    {
        int lanes = Lanes, tiles = (count + lanes - 1) / lanes, pairs = (width + Pair - 1) / Pair, tile = lanes * Pair * lanes;
        double* left = Scratch.Get<double>(0, tiles * lanes * Stretch), sums = Scratch.Get<double>(1, tiles * lanes * Pair * pairs * Partials);
        new Span<double>(sums, tiles * lanes * Pair * pairs * Partials).Clear();
        for (int k = 0; k < first; k += Stretch)
        {
            int length = Math.Min(Stretch, first - k), steps = length / Partials;
            double* right = _panel + ((nint)k * Pair * pairs), sum = sums;
            for (int t = 0; t < tiles; t++)
            {
                Pack(row + (t * lanes), Math.Min(lanes, count - (t * lanes)), lanes, k, length, left + (t * lanes * length));
            }

            for (int lane = 0; lane < Partials; lane += lanes)
            {
                for (int t = 0; t < tiles; t++)
                {
                    double* a = left + (((t * Partials) + lane) * lanes * steps), b = right + (lane * Pair * steps);
                    for (int p = 0; p < pairs; p++, b += Pair * length, sum += tile)
                    {
                        if (Vector512.IsHardwareAccelerated)
                        {
                            Add8(a, b, sum, steps);
                        }
                        else
                        {
                            Add4(a, b, sum, steps);
                        }
                    }
                }
            }
        }

        int lanesOfAll = tiles * pairs * tile;
        for (int r = 0; r < count; r++)
        {
            double* target = _a + ((nint)(row + r) * _n) + first;
            for (int j = 0; j < width && first + j <= row + r; j++)
            {
                double* sum = sums + (((r / lanes * pairs) + (j / Pair)) * tile) + (((r % lanes * Pair) + (j % Pair)) * lanes);
                Vector256<double> s0 = Vector256.Load(sum), s1, s2, s3;
                if (Vector512.IsHardwareAccelerated)
                {
                    (s1, s2, s3) = (Vector256.Load(sum + 4), Vector256.Load(sum + lanesOfAll), Vector256.Load(sum + lanesOfAll + 4));
                }
                else
                {
                    (s1, s2, s3) = (Vector256.Load(sum + lanesOfAll), Vector256.Load(sum + (2 * lanesOfAll)), Vector256.Load(sum + (3 * lanesOfAll)));
                }

                Vector256<double> all = (s0 + s1) + (s2 + s3);
                target[j] -= (all[0] + all[1]) + (all[2] + all[3]);
            }
        }
    }

    /// <summary>Elements k … k + length − 1 of rows: first those of the first lanes, step by step, of each step all rows. Rows that are not there repeat the last.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack(int row, int count, int rows, int k, int length, double* to)
    {
        int lanes = Lanes, part = rows * length / Partials * lanes;
        double* from = _a + ((nint)row * _n) + k;
        for (int c = 0; c < length; c += Partials)
        {
            for (int r = 0; r < rows; r++, to += lanes)
            {
                double* source = from + ((nint)Math.Min(r, count - 1) * _n) + c;
                if (Vector512.IsHardwareAccelerated)
                {
                    Vector512.Load(source).Store(to);
                    Vector512.Load(source + 8).Store(to + part);
                }
                else
                {
                    Vector256.Load(source).Store(to);
                    Vector256.Load(source + 4).Store(to + part);
                    Vector256.Load(source + 8).Store(to + (2 * part));
                    Vector256.Load(source + 12).Store(to + (3 * part));
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add8(double* a, double* b, double* sums, int steps)
    {
        Vector512<double> s00 = Vector512.Load(sums), s01 = Vector512.Load(sums + 8), s10 = Vector512.Load(sums + 16), s11 = Vector512.Load(sums + 24);
        Vector512<double> s20 = Vector512.Load(sums + 32), s21 = Vector512.Load(sums + 40), s30 = Vector512.Load(sums + 48), s31 = Vector512.Load(sums + 56);
        Vector512<double> s40 = Vector512.Load(sums + 64), s41 = Vector512.Load(sums + 72), s50 = Vector512.Load(sums + 80), s51 = Vector512.Load(sums + 88);
        Vector512<double> s60 = Vector512.Load(sums + 96), s61 = Vector512.Load(sums + 104), s70 = Vector512.Load(sums + 112), s71 = Vector512.Load(sums + 120);
        for (; steps > 0; steps--, a += 64, b += 16)
        {
            Vector512<double> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 8), v = Vector512.Load(a);
            s00 += v * b0;
            s01 += v * b1;
            v = Vector512.Load(a + 8);
            s10 += v * b0;
            s11 += v * b1;
            v = Vector512.Load(a + 16);
            s20 += v * b0;
            s21 += v * b1;
            v = Vector512.Load(a + 24);
            s30 += v * b0;
            s31 += v * b1;
            v = Vector512.Load(a + 32);
            s40 += v * b0;
            s41 += v * b1;
            v = Vector512.Load(a + 40);
            s50 += v * b0;
            s51 += v * b1;
            v = Vector512.Load(a + 48);
            s60 += v * b0;
            s61 += v * b1;
            v = Vector512.Load(a + 56);
            s70 += v * b0;
            s71 += v * b1;
        }

        s00.Store(sums);
        s01.Store(sums + 8);
        s10.Store(sums + 16);
        s11.Store(sums + 24);
        s20.Store(sums + 32);
        s21.Store(sums + 40);
        s30.Store(sums + 48);
        s31.Store(sums + 56);
        s40.Store(sums + 64);
        s41.Store(sums + 72);
        s50.Store(sums + 80);
        s51.Store(sums + 88);
        s60.Store(sums + 96);
        s61.Store(sums + 104);
        s70.Store(sums + 112);
        s71.Store(sums + 120);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add4(double* a, double* b, double* sums, int steps)
    {
        Vector256<double> s00 = Vector256.Load(sums), s01 = Vector256.Load(sums + 4), s10 = Vector256.Load(sums + 8), s11 = Vector256.Load(sums + 12);
        Vector256<double> s20 = Vector256.Load(sums + 16), s21 = Vector256.Load(sums + 20), s30 = Vector256.Load(sums + 24), s31 = Vector256.Load(sums + 28);
        for (; steps > 0; steps--, a += 16, b += 8)
        {
            Vector256<double> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 4), v = Vector256.Load(a);
            s00 += v * b0;
            s01 += v * b1;
            v = Vector256.Load(a + 4);
            s10 += v * b0;
            s11 += v * b1;
            v = Vector256.Load(a + 8);
            s20 += v * b0;
            s21 += v * b1;
            v = Vector256.Load(a + 12);
            s30 += v * b0;
            s31 += v * b1;
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
