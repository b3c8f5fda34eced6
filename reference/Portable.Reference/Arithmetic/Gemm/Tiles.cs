using System.Runtime.CompilerServices;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>Runs the register tiles over a block of rows and one panel of b, whatever remains at the edges.</summary>
internal static unsafe class Tiles
{
    /// <summary>Columns of a panel.</summary>
    public static int PanelColumns<TSimd, TVector>()
        where TSimd : ISimd<TVector>
        where TVector : struct => 2 * TSimd.Lanes;

    /// <summary>c[rows × columns] (+)= a[rows × k] · panel[k × panel columns].</summary>
    /// <param name="a">Row-major, <paramref name="aStride"/> elements between rows.</param>
    /// <param name="aStride">Elements between rows of a.</param>
    /// <param name="rows">Any number.</param>
    /// <param name="panel">k rows of a whole panel, <paramref name="panelStride"/> elements apart.</param>
    /// <param name="panelStride">Elements between rows of the panel.</param>
    /// <param name="k">Steps.</param>
    /// <param name="c">Row-major.</param>
    /// <param name="cStride">Elements between rows of c.</param>
    /// <param name="columns">Valid columns of the panel: no others of c are touched.</param>
    /// <param name="start">What becomes of c.</param>
    [SkipLocalsInit]
    public static void Run<TSimd, TVector, TAdd>(float* a, nint aStride, int rows, float* panel, nint panelStride, int k, float* c, nint cStride, int columns, TileStart start)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        int width = PanelColumns<TSimd, TVector>();
        float* edge = stackalloc float[MicroKernel.Rows * 32];
        for (int row = 0; row < rows; row += MicroKernel.Rows, a += MicroKernel.Rows * aStride, c += MicroKernel.Rows * cStride)
        {
            int count = Math.Min(MicroKernel.Rows, rows - row);
            if (count == MicroKernel.Rows && columns == width)
            {
                MicroKernel.Six<TSimd, TVector, TAdd>(count, a, aStride, panel, panelStride, k, c, cStride, start);
            }
            else if (count <= 2 && columns == width)
            {
                for (int i = 0; i < count; i++)
                {
                    MicroKernel.One<TSimd, TVector, TAdd>(a + i * aStride, panel, panelStride, k, c + i * cStride, start);
                }
            }
            else
            {
                Copy(c, cStride, edge, width, start == TileStart.Zero ? 0 : count, columns);
                if (count == 1)
                {
                    MicroKernel.One<TSimd, TVector, TAdd>(a, panel, panelStride, k, edge, start);
                }
                else
                {
                    MicroKernel.Six<TSimd, TVector, TAdd>(count, a, aStride, panel, panelStride, k, edge, width, start);
                }

                Copy(edge, width, c, cStride, count, columns);
            }
        }
    }

    private static void Copy(float* source, nint sourceStride, float* destination, nint destinationStride, int rows, int columns)
    {
        for (int row = 0; row < rows; row++)
        {
            new ReadOnlySpan<float>(source + row * sourceStride, columns).CopyTo(new Span<float>(destination + row * destinationStride, columns));
        }
    }
}
