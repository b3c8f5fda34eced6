using Portable.Reference.Threading;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>
/// Cuts a product into independent pieces: a piece packs its strip of b, one block of steps at a time (so that the strip
/// stays in the second-level cache), and runs the register tiles of its rows over it.
/// </summary>
/// <remarks>
/// Where there are 32 registers, tiles are 6 rows × 4 vectors: 24 multiply-adds for 10 loads a step. A strip is two panels of 64 × 512,
/// 256 KB, which passes from the second-level cache at 21 bytes a cycle; blocks that are twice as long let outputs pass through memory half as often,
/// which is what large gradients of weights wait for.
/// </remarks>
internal static unsafe class GemmDriver
{
    private const int PanelSlot = 0;

    // Below this many rows per piece packing the strip costs more than the piece.
    private const int MinimumRows = 48;

    /// <summary>
    /// y[m × n] (+)= x[m × k] · b[k × n], each output sequential in k. Where only the upper triangle is wanted, tiles wholly
    /// below the diagonal are left as they are.
    /// </summary>
    /// <param name="x">Rows of x, or its <see cref="RowTiles"/>.</param>
    /// <param name="b">The right operand.</param>
    /// <param name="y">M×N.</param>
    /// <param name="m">M.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K.</param>
    /// <param name="accumulate">Start from y instead of 0.</param>
    /// <param name="upper">Whether the upper triangle is enough.</param>
    /// <param name="tiled">Whether x lies in tiles.</param>
    public static void Run<TSimd, TVector, TAdd>(float* x, FloatOperand b, float* y, int m, int n, int k, bool accumulate, bool upper, bool tiled)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        // Threads that share a panel pack it once each: narrow ones where there are more threads than wide ones.
        bool wide = TSimd.ManyRegisters && n >= 4 * TSimd.Lanes * WorkerPool.Threads;
        (int width, int stripPanels, int blockSteps) = (wide ? 4 * TSimd.Lanes : 2 * TSimd.Lanes, wide ? 2 : 4, TSimd.ManyRegisters ? 512 : 256);
        int panels = (n + width - 1) / width, wanted = 2 * WorkerPool.Threads;
        int strips = Math.Max((panels + stripPanels - 1) / stripPanels, Math.Min(panels, wanted));
        int parts = Math.Clamp(wanted / strips, 1, Math.Max(1, m / MinimumRows));
        WorkerPool.Run(strips * parts, piece =>
        {
            (int strip, int part) = (piece / parts, piece % parts);
            int firstPanel = (int)((long)panels * strip / strips), endPanel = (int)((long)panels * (strip + 1) / strips);
            // Whole tiles per part, so that no part but the last has an edge.
            int tiles = (m + MicroKernel.Rows - 1) / MicroKernel.Rows;
            int firstRow = (int)((long)tiles * part / parts) * MicroKernel.Rows, endRow = Math.Min(m, (int)((long)tiles * (part + 1) / parts) * MicroKernel.Rows);
            float* packed = Scratch.Get<float>(PanelSlot, (long)(endPanel - firstPanel) * blockSteps * width);
            for (int k0 = 0; k0 < k; k0 += blockSteps)
            {
                int steps = Math.Min(blockSteps, k - k0);
                for (int panel = firstPanel; panel < endPanel; panel++)
                {
                    b.Pack(panel * width, Math.Min(width, n - panel * width), width, k0, steps, packed + (long)(panel - firstPanel) * steps * width);
                }

                TileStart start = accumulate || k0 > 0 ? TileStart.Continue : TileStart.Zero;
                for (int row = firstRow; row < endRow; row += MicroKernel.Rows)
                {
                    int rows = Math.Min(MicroKernel.Rows, endRow - row);
                    float* a = x + (long)row * k + (tiled ? (long)k0 * MicroKernel.Rows : k0);
                    for (int panel = upper ? Math.Max(firstPanel, row / width) : firstPanel; panel < endPanel; panel++)
                    {
                        float* c = y + (long)row * n + panel * width, block = packed + (long)(panel - firstPanel) * steps * width;
                        Tiles.Run<TSimd, TVector, TAdd>(a, tiled ? 1 : k, rows, block, width, steps, c, n, Math.Min(width, n - panel * width), start, tiled ? MicroKernel.Rows : 1);
                    }
                }
            }
        });
    }
}
