using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.Arithmetic;

/// <summary>
/// Float matrix multiplication for unquantized models and for training, outside the bit-exact contract: every output is a
/// fused multiply-add chain over ascending k, with vector lanes across outputs, so results are equal on every ISA tier and
/// thread count all the same.
/// </summary>
/// <remarks>
/// B is packed panel by panel into [k][32] floats (at most 512 k at a time: 64 KiB, half an L2), then 8×32 outputs are kept
/// in registers: 16 accumulators hide the latency of the fused multiply-add, and each k costs 2 loads and 8 broadcasts for 16 of them.
/// </remarks>
public static class FloatGemm
{
    private const int PanelWidth = 32;
    private const int TileRows = 8;
    private const int DepthBlock = 512;

    [ThreadStatic]
    private static float[]? s_panel;

    private enum Layout
    {
        Transposed,
        Direct,
    }

    /// <summary>y = x·wᵀ (+ y).</summary>
    /// <param name="x">m×k.</param>
    /// <param name="w">n×k.</param>
    /// <param name="y">m×n.</param>
    /// <param name="m">Rows of x.</param>
    /// <param name="n">Rows of w.</param>
    /// <param name="k">Columns of both.</param>
    /// <param name="accumulate">Add to what y holds.</param>
    public static void Multiply(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<float> y, int m, int n, int k, bool accumulate = false) =>
        Multiply(x, MemoryMarshal.AsBytes(w), ElementType.Float32, y, m, n, k, accumulate);

    /// <summary>y = x·wᵀ (+ y), with w in a checkpoint's own element type.</summary>
    /// <param name="x">m×k.</param>
    /// <param name="w">n×k elements of <paramref name="type"/>.</param>
    /// <param name="type">Element type of w.</param>
    /// <param name="y">m×n.</param>
    /// <param name="m">Rows of x.</param>
    /// <param name="n">Rows of w.</param>
    /// <param name="k">Columns of both.</param>
    /// <param name="accumulate">Add to what y holds.</param>
    public static unsafe void Multiply(ReadOnlySpan<float> x, ReadOnlySpan<byte> w, ElementType type, Span<float> y, int m, int n, int k, bool accumulate = false)
    {
        Check(x.Length, w.Length / ElementConversion.SizeOf(type), y.Length, m, n, k);
        fixed (float* a = x, c = y)
        fixed (byte* b = w)
        {
            Run(a, k, 1, b, type, Layout.Transposed, c, m, n, k, accumulate);
        }
    }

    /// <summary>c = a·b (+ c).</summary>
    /// <param name="a">m×k.</param>
    /// <param name="b">k×n.</param>
    /// <param name="c">m×n.</param>
    /// <param name="m">Rows of a.</param>
    /// <param name="n">Columns of b.</param>
    /// <param name="k">Columns of a.</param>
    /// <param name="accumulate">Add to what c holds.</param>
    public static unsafe void MultiplyNN(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, bool accumulate = false)
    {
        Check(a.Length, b.Length, c.Length, m, n, k);
        fixed (float* pa = a, pb = b, pc = c)
        {
            Run(pa, k, 1, (byte*)pb, ElementType.Float32, Layout.Direct, pc, m, n, k, accumulate);
        }
    }

    /// <summary>c = aᵀ·b (+ c).</summary>
    /// <param name="a">k×m.</param>
    /// <param name="b">k×n.</param>
    /// <param name="c">m×n.</param>
    /// <param name="m">Columns of a.</param>
    /// <param name="n">Columns of b.</param>
    /// <param name="k">Rows of both.</param>
    /// <param name="accumulate">Add to what c holds.</param>
    public static unsafe void MultiplyTN(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> c, int m, int n, int k, bool accumulate = false)
    {
        Check(a.Length, b.Length, c.Length, m, n, k);
        fixed (float* pa = a, pb = b, pc = c)
        {
            Run(pa, 1, m, (byte*)pb, ElementType.Float32, Layout.Direct, pc, m, n, k, accumulate);
        }
    }

    private static void Check(long a, long b, long c, long m, long n, long k)
    {
        if (m < 1 || n < 1 || k < 1 || a < m * k || b < n * k || c < m * n)
        {
            throw new ArgumentException($"Spans of {a}, {b} and {c} elements do not hold a {m}×{n}×{k} product.");
        }
    }

    private static unsafe void Run(float* a, int aRow, int aColumn, byte* b, ElementType type, Layout layout, float* c, int m, int n, int k, bool accumulate)
    {
        int panels = (n + PanelWidth - 1) / PanelWidth;
        // Few panels and many rows: cut the rows too, so that every thread has work. The cut changes no output.
        int rowParts = Math.Clamp((2 * WorkerPool.Threads + panels - 1) / panels, 1, Math.Max(1, m / 64));
        int rowsPerPart = ((m + rowParts - 1) / rowParts + TileRows - 1) / TileRows * TileRows;
        WorkerPool.Run(panels * rowParts, item =>
        {
            int panel = item / rowParts, firstRow = item % rowParts * rowsPerPart, endRow = Math.Min(m, firstRow + rowsPerPart);
            if (firstRow >= endRow)
            {
                return;
            }

            float[] scratch = s_panel ??= GC.AllocateUninitializedArray<float>((DepthBlock + 1) * PanelWidth + DepthBlock, pinned: true);
            int column = panel * PanelWidth, columns = Math.Min(PanelWidth, n - column);
            fixed (float* packed = scratch)
            {
                for (int depth = 0; depth < k; depth += DepthBlock)
                {
                    int count = Math.Min(DepthBlock, k - depth);
                    Pack(b, type, layout, n, k, column, columns, depth, count, packed);
                    Panel(a + (long)firstRow * aRow + (long)depth * aColumn, aRow, aColumn, packed, c + (long)firstRow * n + column, n, endRow - firstRow, columns, count, accumulate || depth > 0, packed + DepthBlock * PanelWidth);
                }
            }
        });
    }

    private static unsafe void Pack(byte* b, ElementType type, Layout layout, int n, int k, int column, int columns, int depth, int count, float* packed)
    {
        if (columns < PanelWidth)
        {
            new Span<float>(packed, count * PanelWidth).Clear();
        }

        int size = ElementConversion.SizeOf(type);
        if (layout == Layout.Direct)
        {
            for (int i = 0; i < count; i++)
            {
                new ReadOnlySpan<float>((float*)b + (long)(depth + i) * n + column, columns).CopyTo(new Span<float>(packed + i * PanelWidth, columns));
            }

            return;
        }

        float* row = packed + (DepthBlock + 1) * PanelWidth;
        for (int j = 0; j < columns; j++)
        {
            byte* source = b + ((long)(column + j) * k + depth) * size;
            float* values = (float*)source;
            if (type != ElementType.Float32)
            {
                ElementConversion.ToSingle(new ReadOnlySpan<byte>(source, count * size), type, new Span<float>(row, count));
                values = row;
            }

            float* target = packed + j;
            for (int i = 0; i < count; i++)
            {
                target[i * PanelWidth] = values[i];
            }
        }
    }

    private static unsafe void Panel(float* a, int aRow, int aColumn, float* b, float* c, int stride, int rows, int columns, int depth, bool accumulate, float* edge)
    {
        int row = 0;
        for (; row + TileRows <= rows && columns == PanelWidth; row += TileRows)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                Tile512(a + (long)row * aRow, aRow, aColumn, b, c + (long)row * stride, stride, depth, accumulate);
            }
            else
            {
                for (int part = 0; part < TileRows; part += 4)
                {
                    Tile256(a + (long)(row + part) * aRow, aRow, aColumn, b, c + (long)(row + part) * stride, stride, depth, accumulate);
                    Tile256(a + (long)(row + part) * aRow, aRow, aColumn, b + PanelWidth / 2, c + (long)(row + part) * stride + PanelWidth / 2, stride, depth, accumulate);
                }
            }
        }

        for (; row < rows; row++)
        {
            float* target = c + (long)row * stride;
            if (columns < PanelWidth)
            {
                new ReadOnlySpan<float>(target, columns).CopyTo(new Span<float>(edge, columns));
                Row(a + (long)row * aRow, aColumn, b, edge, depth, accumulate);
                new ReadOnlySpan<float>(edge, columns).CopyTo(new Span<float>(target, columns));
            }
            else
            {
                Row(a + (long)row * aRow, aColumn, b, target, depth, accumulate);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Tile512(float* a, int aRow, int aColumn, float* b, float* c, int stride, int depth, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        Vector512<float> c40 = default, c41 = default, c50 = default, c51 = default, c60 = default, c61 = default, c70 = default, c71 = default;
        float* r4 = c + 4L * stride;
        if (accumulate)
        {
            (c00, c01) = (Vector512.Load(c), Vector512.Load(c + 16));
            (c10, c11) = (Vector512.Load(c + stride), Vector512.Load(c + stride + 16));
            (c20, c21) = (Vector512.Load(c + 2L * stride), Vector512.Load(c + 2L * stride + 16));
            (c30, c31) = (Vector512.Load(c + 3L * stride), Vector512.Load(c + 3L * stride + 16));
            (c40, c41) = (Vector512.Load(r4), Vector512.Load(r4 + 16));
            (c50, c51) = (Vector512.Load(r4 + stride), Vector512.Load(r4 + stride + 16));
            (c60, c61) = (Vector512.Load(r4 + 2L * stride), Vector512.Load(r4 + 2L * stride + 16));
            (c70, c71) = (Vector512.Load(r4 + 3L * stride), Vector512.Load(r4 + 3L * stride + 16));
        }

        float* a4 = a + 4L * aRow;
        nint row1 = aRow, row2 = 2 * row1, row3 = 3 * row1;
        for (int i = 0; i < depth; i++)
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16);
            Vector512<float> v = Vector512.Create(a[0]);
            c00 = Vector512.FusedMultiplyAdd(v, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(v, b1, c01);
            v = Vector512.Create(a[row1]);
            c10 = Vector512.FusedMultiplyAdd(v, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(v, b1, c11);
            v = Vector512.Create(a[row2]);
            c20 = Vector512.FusedMultiplyAdd(v, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(v, b1, c21);
            v = Vector512.Create(a[row3]);
            c30 = Vector512.FusedMultiplyAdd(v, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(v, b1, c31);
            v = Vector512.Create(a4[0]);
            c40 = Vector512.FusedMultiplyAdd(v, b0, c40);
            c41 = Vector512.FusedMultiplyAdd(v, b1, c41);
            v = Vector512.Create(a4[row1]);
            c50 = Vector512.FusedMultiplyAdd(v, b0, c50);
            c51 = Vector512.FusedMultiplyAdd(v, b1, c51);
            v = Vector512.Create(a4[row2]);
            c60 = Vector512.FusedMultiplyAdd(v, b0, c60);
            c61 = Vector512.FusedMultiplyAdd(v, b1, c61);
            v = Vector512.Create(a4[row3]);
            c70 = Vector512.FusedMultiplyAdd(v, b0, c70);
            c71 = Vector512.FusedMultiplyAdd(v, b1, c71);
            a += aColumn;
            a4 += aColumn;
            b += PanelWidth;
        }

        c00.Store(c);
        c01.Store(c + 16);
        c10.Store(c + stride);
        c11.Store(c + stride + 16);
        c20.Store(c + 2L * stride);
        c21.Store(c + 2L * stride + 16);
        c30.Store(c + 3L * stride);
        c31.Store(c + 3L * stride + 16);
        c40.Store(r4);
        c41.Store(r4 + 16);
        c50.Store(r4 + stride);
        c51.Store(r4 + stride + 16);
        c60.Store(r4 + 2L * stride);
        c61.Store(r4 + 2L * stride + 16);
        c70.Store(r4 + 3L * stride);
        c71.Store(r4 + 3L * stride + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe void Tile256(float* a, int aRow, int aColumn, float* b, float* c, int stride, int depth, bool accumulate)
    {
        Vector256<float> c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default, c30 = default, c31 = default;
        if (accumulate)
        {
            (c00, c01) = (Vector256.Load(c), Vector256.Load(c + 8));
            (c10, c11) = (Vector256.Load(c + stride), Vector256.Load(c + stride + 8));
            (c20, c21) = (Vector256.Load(c + 2L * stride), Vector256.Load(c + 2L * stride + 8));
            (c30, c31) = (Vector256.Load(c + 3L * stride), Vector256.Load(c + 3L * stride + 8));
        }

        nint row1 = aRow, row2 = 2 * row1, row3 = 3 * row1;
        for (int i = 0; i < depth; i++)
        {
            Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8);
            Vector256<float> v = Vector256.Create(a[0]);
            c00 = Vector256.FusedMultiplyAdd(v, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(v, b1, c01);
            v = Vector256.Create(a[row1]);
            c10 = Vector256.FusedMultiplyAdd(v, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(v, b1, c11);
            v = Vector256.Create(a[row2]);
            c20 = Vector256.FusedMultiplyAdd(v, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(v, b1, c21);
            v = Vector256.Create(a[row3]);
            c30 = Vector256.FusedMultiplyAdd(v, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(v, b1, c31);
            a += aColumn;
            b += PanelWidth;
        }

        c00.Store(c);
        c01.Store(c + 8);
        c10.Store(c + stride);
        c11.Store(c + stride + 8);
        c20.Store(c + 2L * stride);
        c21.Store(c + 2L * stride + 8);
        c30.Store(c + 3L * stride);
        c31.Store(c + 3L * stride + 8);
    }

    private static unsafe void Row(float* a, int aColumn, float* b, float* c, int depth, bool accumulate)
    {
        Vector256<float> c0 = default, c1 = default, c2 = default, c3 = default;
        if (accumulate)
        {
            (c0, c1, c2, c3) = (Vector256.Load(c), Vector256.Load(c + 8), Vector256.Load(c + 16), Vector256.Load(c + 24));
        }

        for (int i = 0; i < depth; i++)
        {
            Vector256<float> v = Vector256.Create(a[(long)i * aColumn]);
            c0 = Vector256.FusedMultiplyAdd(v, Vector256.Load(b), c0);
            c1 = Vector256.FusedMultiplyAdd(v, Vector256.Load(b + 8), c1);
            c2 = Vector256.FusedMultiplyAdd(v, Vector256.Load(b + 16), c2);
            c3 = Vector256.FusedMultiplyAdd(v, Vector256.Load(b + 24), c3);
            b += PanelWidth;
        }

        c0.Store(c);
        c1.Store(c + 8);
        c2.Store(c + 16);
        c3.Store(c + 24);
    }
}
