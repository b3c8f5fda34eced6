using System.Runtime.CompilerServices;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>Runs the register tiles over a block of rows and one panel of b, whatever remains at the edges.</summary>
internal static unsafe class Tiles
{
    /// <summary>Columns of a panel.</summary>
    public static int PanelColumns<TSimd, TVector>()
        where TSimd : ISimd<TVector>
        where TVector : struct => 2 * TSimd.Lanes;

    /// <summary>c[rows × columns] (+)= a[rows × k] · b[k × columns].</summary>
    /// <param name="a">Row-major, <paramref name="aStride"/> elements between rows.</param>
    /// <param name="aStride">Elements between rows of a.</param>
    /// <param name="rows">Any number.</param>
    /// <param name="b">k rows, <paramref name="bStride"/> elements apart, readable up to whole panels.</param>
    /// <param name="bStride">Elements between rows of b.</param>
    /// <param name="k">Steps.</param>
    /// <param name="c">Row-major.</param>
    /// <param name="cStride">Elements between rows of c.</param>
    /// <param name="columns">Columns: no others of c are touched.</param>
    /// <param name="start">What becomes of c.</param>
    /// <param name="aStep">Elements between steps of a.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TSimd, TVector, TAdd>(float* a, nint aStride, int rows, float* b, nint bStride, int k, float* c, nint cStride, int columns, TileStart start, nint aStep = 1)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        int width = PanelColumns<TSimd, TVector>();
        for (int row = 0; row < rows; row += MicroKernel.Rows, a += MicroKernel.Rows * aStride, c += MicroKernel.Rows * cStride)
        {
            int count = Math.Min(MicroKernel.Rows, rows - row), column = 0;
            if (TSimd.ManyRegisters && (count is MicroKernel.Rows or 4 or 2))
            {
                for (; column <= columns - 2 * width; column += 2 * width)
                {
                    switch (count)
                    {
                        case 2: WideKernel.Two<TSimd, TVector, TAdd>(a, aStride, b + column, bStride, k, c + column, cStride, start, aStep); break;
                        case 4: WideKernel.Four<TSimd, TVector, TAdd>(a, aStride, b + column, bStride, k, c + column, cStride, start, aStep); break;
                        default: WideKernel.Six<TSimd, TVector, TAdd>(a, aStride, b + column, bStride, k, c + column, cStride, start, aStep); break;
                    }
                }
            }

            for (; column < columns; column += width)
            {
                Panel<TSimd, TVector, TAdd>(a, aStride, count, b + column, bStride, k, c + column, cStride, Math.Min(width, columns - column), start, aStep);
            }
        }
    }

    /// <summary>Up to six rows of one panel; at the edges by way of a whole tile beside the outputs.</summary>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Panel<TSimd, TVector, TAdd>(float* a, nint aStride, int count, float* b, nint bStride, int k, float* c, nint cStride, int columns, TileStart start, nint aStep = 1)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        int width = PanelColumns<TSimd, TVector>();
        if (columns == width && count == MicroKernel.Rows)
        {
            MicroKernel.Six<TSimd, TVector, TAdd>(count, a, aStride, b, bStride, k, c, cStride, start, aStep);
            return;
        }

        if (columns == width && count <= 2)
        {
            for (int i = 0; i < count; i++)
            {
                MicroKernel.One<TSimd, TVector, TAdd>(a + i * aStride, b, bStride, k, c + i * cStride, start, aStep);
            }

            return;
        }

        float* edge = stackalloc float[MicroKernel.Rows * 32];
        Copy(c, cStride, edge, width, start == TileStart.Zero ? 0 : count, columns);
        MicroKernel.Six<TSimd, TVector, TAdd>(count, a, aStride, b, bStride, k, edge, width, start, aStep);
        Copy(edge, width, c, cStride, count, columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy(float* source, nint sourceStride, float* destination, nint destinationStride, int rows, int columns)
    {
        for (int row = 0; row < rows; row++)
        {
            new ReadOnlySpan<float>(source + row * sourceStride, columns).CopyTo(new Span<float>(destination + row * destinationStride, columns));
        }
    }
}
