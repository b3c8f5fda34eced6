using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>
/// Many ordered dot products at once, bit for bit <see cref="Contract.OrderedDot"/>: lanes are the partial sums.
/// </summary>
/// <remarks>
/// Rows are packed so that a block of 64 elements is the 32 even ones, then the 32 odd ones: partial p takes both in turn,
/// <code>
/// packed[64·block + p] = x[64·block + 2p],   packed[64·block + 32 + p] = x[64·block + 2p + 1],   0 beyond K
/// </code>
/// and a row is 2·blocks steps of 32 lanes. Zeros leave every partial as it is, because a partial is never −0.
/// </remarks>
internal static unsafe class OrderedPanel
{
    /// <summary>Elements per block.</summary>
    public const int BlockSize = 2 * Contract.Partials;

    private const int Rows = 3, Columns = 4;

    // Rows follow each other in memory, which gives its full rate only to what is asked for early. Past the end of a table
    // a prefetch does nothing.
    private const int Ahead = 8192;

    /// <summary>Blocks of K elements.</summary>
    public static int Blocks(int columns) => (columns + BlockSize - 1) / BlockSize;

    /// <summary>Packs a row of f32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(ReadOnlySpan<float> row, float* packed)
    {
        new Span<float>(packed, Blocks(row.Length) * BlockSize).Clear();
        for (int k = 0; k < row.Length; k++)
        {
            packed[k / BlockSize * BlockSize + (k & 1) * Contract.Partials + ((k % BlockSize) >> 1)] = row[k];
        }
    }

    /// <summary>Packs a row of finite 16-bit elements, canonical: a 32-bit word holds the even and the odd element of one partial.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack<TFormat>(ushort* row, int columns, float* packed)
        where TFormat : IWordFormat
    {
        ushort* rest = stackalloc ushort[BlockSize];
        for (int first = 0; first < columns; first += BlockSize, packed += BlockSize)
        {
            ushort* block = Block(row, first, columns, rest);
            for (int p = 0; p < Contract.Partials; p += 8)
            {
                Vector256<int> words = Vector256.Load((int*)block + p);
                TFormat.Even(words).Store(packed + p);
                TFormat.Odd(words).Store(packed + Contract.Partials + p);
            }
        }
    }

    /// <summary>output[j] = canonical(x · table row j) for one packed x, straight from 16-bit elements: bound by memory.</summary>
    /// <param name="x">Packed.</param>
    /// <param name="table">First row of finite elements.</param>
    /// <param name="columns">K.</param>
    /// <param name="rows">Rows of the table.</param>
    /// <param name="output">rows values.</param>
    [SkipLocalsInit]
    public static void MultiplyOne<TFormat>(float* x, ushort* table, int columns, int rows, float* output)
        where TFormat : IWordFormat
    {
        float* partials = stackalloc float[Columns * Contract.Partials];
        for (int j = 0; j < rows; j += Columns)
        {
            int count = Math.Min(Columns, rows - j);
            for (int i = 0; i < Columns; i++)
            {
                // The last row stands in for those that are missing.
                PartialSums<TFormat>(x, table + (long)(j + Math.Min(i, count - 1)) * columns, columns, partials + i * Contract.Partials);
            }

            Store(VectorCanonical(Total(partials)), count, output + j);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PartialSums<TFormat>(float* x, ushort* row, int columns, float* partials)
        where TFormat : IWordFormat
    {
        ushort* rest = stackalloc ushort[BlockSize];
        Vector256<float> p0 = default, p1 = default, p2 = default, p3 = default;
        for (int first = 0; first < columns; first += BlockSize, x += BlockSize)
        {
            if (Sse.IsSupported)
            {
                Sse.Prefetch0((byte*)(row + first) + Ahead);
                Sse.Prefetch0((byte*)(row + first) + Ahead + 64);
            }

            int* words = (int*)Block(row, first, columns, rest);
            float* odd = x + Contract.Partials;
            Vector256<int> w0 = Vector256.Load(words), w1 = Vector256.Load(words + 8), w2 = Vector256.Load(words + 16), w3 = Vector256.Load(words + 24);
            p0 = p0 + TFormat.Even(w0) * Vector256.Load(x) + TFormat.Odd(w0) * Vector256.Load(odd);
            p1 = p1 + TFormat.Even(w1) * Vector256.Load(x + 8) + TFormat.Odd(w1) * Vector256.Load(odd + 8);
            p2 = p2 + TFormat.Even(w2) * Vector256.Load(x + 16) + TFormat.Odd(w2) * Vector256.Load(odd + 16);
            p3 = p3 + TFormat.Even(w3) * Vector256.Load(x + 24) + TFormat.Odd(w3) * Vector256.Load(odd + 24);
        }

        p0.Store(partials);
        p1.Store(partials + 8);
        p2.Store(partials + 16);
        p3.Store(partials + 24);
    }

    /// <summary>A block of a row: in place, or copied and padded with zeros where the row ends inside.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ushort* Block(ushort* row, int first, int columns, ushort* rest)
    {
        if (columns - first >= BlockSize)
        {
            return row + first;
        }

        new Span<ushort>(rest, BlockSize).Clear();
        new ReadOnlySpan<ushort>(row + first, columns - first).CopyTo(new Span<ushort>(rest, BlockSize));
        return rest;
    }

    private static void Store(Vector128<float> values, int count, float* target)
    {
        if (count == Columns)
        {
            values.Store(target);
            return;
        }

        for (int i = 0; i < count; i++)
        {
            target[i] = values[i];
        }
    }

    /// <summary>output[i, j] = canonical(x row i · w row j) for packed rows.</summary>
    /// <param name="x">Packed, <paramref name="rows"/> of them.</param>
    /// <param name="rows">Rows of x.</param>
    /// <param name="w">Packed, <paramref name="columns"/> of them.</param>
    /// <param name="columns">Rows of w.</param>
    /// <param name="blocks">Blocks of both.</param>
    /// <param name="output">rows × columns.</param>
    /// <param name="stride">Elements between rows of the output.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<TSimd, TVector>(float* x, int rows, float* w, int columns, int blocks, float* output, nint stride)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        float* partials = stackalloc float[Rows * Columns * Contract.Partials];
        nint length = (nint)blocks * BlockSize;
        for (int i = 0; i < rows; i += Rows)
        {
            int tileRows = Math.Min(Rows, rows - i);
            for (int j = 0; j < columns; j += Columns)
            {
                int tileColumns = Math.Min(Columns, columns - j);
                float* a = x + i * length, b = w + j * length;
                for (int lane = 0; lane < Contract.Partials; lane += TSimd.Lanes)
                {
                    Tile<TSimd, TVector>(tileRows, tileColumns, a + lane, b + lane, length, partials + lane);
                }

                for (int row = 0; row < tileRows; row++)
                {
                    Store(VectorCanonical(Total(partials + row * Columns * Contract.Partials)), tileColumns, output + (i + row) * stride + j);
                }
            }
        }
    }

    /// <summary>One vector of partial sums of 3 × 4 products; the last valid row stands in for those that are missing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile<TSimd, TVector>(int rows, int columns, float* a, float* b, nint length, float* partials)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        float* a1 = rows > 1 ? a + length : a, a2 = rows > 2 ? a1 + length : a1;
        float* b1 = columns > 1 ? b + length : b, b2 = columns > 2 ? b1 + length : b1, b3 = columns > 3 ? b2 + length : b2;
        TVector c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23;
        c00 = c01 = c02 = c03 = c10 = c11 = c12 = c13 = c20 = c21 = c22 = c23 = TSimd.Broadcast(0f);
        for (nint k = 0; k < length; k += Contract.Partials)
        {
            TVector x0 = TSimd.Load(a + k), x1 = TSimd.Load(a1 + k), x2 = TSimd.Load(a2 + k);
            TVector v = TSimd.Load(b + k);
            c00 = TSimd.Unfused(x0, v, c00);
            c10 = TSimd.Unfused(x1, v, c10);
            c20 = TSimd.Unfused(x2, v, c20);
            v = TSimd.Load(b1 + k);
            c01 = TSimd.Unfused(x0, v, c01);
            c11 = TSimd.Unfused(x1, v, c11);
            c21 = TSimd.Unfused(x2, v, c21);
            v = TSimd.Load(b2 + k);
            c02 = TSimd.Unfused(x0, v, c02);
            c12 = TSimd.Unfused(x1, v, c12);
            c22 = TSimd.Unfused(x2, v, c22);
            v = TSimd.Load(b3 + k);
            c03 = TSimd.Unfused(x0, v, c03);
            c13 = TSimd.Unfused(x1, v, c13);
            c23 = TSimd.Unfused(x2, v, c23);
        }

        const int Next = Contract.Partials;
        TSimd.Store(partials, c00);
        TSimd.Store(partials + Next, c01);
        TSimd.Store(partials + 2 * Next, c02);
        TSimd.Store(partials + 3 * Next, c03);
        TSimd.Store(partials + 4 * Next, c10);
        TSimd.Store(partials + 5 * Next, c11);
        TSimd.Store(partials + 6 * Next, c12);
        TSimd.Store(partials + 7 * Next, c13);
        TSimd.Store(partials + 8 * Next, c20);
        TSimd.Store(partials + 9 * Next, c21);
        TSimd.Store(partials + 10 * Next, c22);
        TSimd.Store(partials + 11 * Next, c23);
    }

    /// <summary>Pairwise halving of four products' partials: 16 and 8 by whole vectors, 4 by halves, 2 and 1 transposed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Total(float* p)
    {
        Vector128<float> a = Four(p), b = Four(p + Contract.Partials), c = Four(p + 2 * Contract.Partials), d = Four(p + 3 * Contract.Partials);
        if (!Sse.IsSupported)
        {
            return Vector128.Create(a[0] + a[2] + (a[1] + a[3]), b[0] + b[2] + (b[1] + b[3]), c[0] + c[2] + (c[1] + c[3]), d[0] + d[2] + (d[1] + d[3]));
        }

        Vector128<float> ab = Sse.UnpackLow(a, b) + Sse.UnpackHigh(a, b), cd = Sse.UnpackLow(c, d) + Sse.UnpackHigh(c, d);
        return Sse.MoveLowToHigh(ab, cd) + Sse.MoveHighToLow(cd, ab);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> Four(float* p)
    {
        Vector256<float> eight = Vector256.Load(p) + Vector256.Load(p + 16) + (Vector256.Load(p + 8) + Vector256.Load(p + 24));
        return eight.GetLower() + eight.GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> VectorCanonical(Vector128<float> v) =>
        Vector128.AndNot(v, Vector128.LessThan(Vector128.Abs(v), Vector128.Create(Contract.Tiny)));
}
