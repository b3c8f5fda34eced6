using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>
/// The left operand of a product as its transpose lies in memory, K×M, cut into the tiles of <see cref="MicroKernel.Rows"/> rows: a tile's
/// elements of a step lie side by side, step behind step, so that a kernel reads them in the order of memory.
/// </summary>
internal static unsafe class RowTiles
{
    /// <summary>tiles[(r / 6 · k + i) · 6 + r mod 6] = source[i · stride + r].</summary>
    /// <param name="source">First element of the first row.</param>
    /// <param name="stride">Elements between steps.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="k">Steps.</param>
    /// <param name="tiles">Receives whole tiles.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(float* source, int stride, int rows, int k, float* tiles)
    {
        const int Rows = MicroKernel.Rows;
        int whole = rows / Rows;
        for (int i = 0; i < k; i++, source += stride, tiles += Rows)
        {
            float* s = source, t = tiles;
            for (int tile = 0; tile < whole; tile++, s += Rows, t += (long)k * Rows)
            {
                Vector128.Load(s).Store(t);
                Vector64.Load(s + 4).Store(t + 4);
            }

            for (int row = whole * Rows; row < rows; row++)
            {
                tiles[(long)(row / Rows) * k * Rows + row % Rows] = source[row];
            }
        }
    }
}
