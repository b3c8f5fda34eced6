using Portable.Reference.Threading;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>
/// Cuts a product into independent pieces: a piece packs its strip of b, one block of steps at a time (so that the strip
/// stays in the second-level cache), and runs the register tiles of its rows over it.
/// </summary>
internal static unsafe class GemmDriver
{
    private const int BlockSteps = 256, StripPanels = 4, PanelSlot = 0;

    // Below this many rows per piece packing the strip costs more than the piece.
    private const int MinimumRows = 48;

    /// <summary>
    /// y[m × n] (+)= x[m × k] · b[k × n], each output sequential in k. Where only the upper triangle is wanted, tiles wholly
    /// below the diagonal are left as they are.
    /// </summary>
    public static void Run<TSimd, TVector, TAdd>(float* x, FloatOperand b, float* y, int m, int n, int k, bool accumulate, bool upper = false)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        int width = Tiles.PanelColumns<TSimd, TVector>(), panels = (n + width - 1) / width, wanted = 2 * WorkerPool.Threads;
        int strips = Math.Max((panels + StripPanels - 1) / StripPanels, Math.Min(panels, wanted));
        int parts = Math.Clamp(wanted / strips, 1, Math.Max(1, m / MinimumRows));
        WorkerPool.Run(strips * parts, piece =>
        {
            (int strip, int part) = (piece / parts, piece % parts);
            int firstPanel = (int)((long)panels * strip / strips), endPanel = (int)((long)panels * (strip + 1) / strips);
            // Whole tiles per part, so that no part but the last has an edge.
            int tiles = (m + MicroKernel.Rows - 1) / MicroKernel.Rows;
            int firstRow = (int)((long)tiles * part / parts) * MicroKernel.Rows, endRow = Math.Min(m, (int)((long)tiles * (part + 1) / parts) * MicroKernel.Rows);
            float* packed = Scratch.Get<float>(PanelSlot, (long)(endPanel - firstPanel) * BlockSteps * width);
            for (int k0 = 0; k0 < k; k0 += BlockSteps)
            {
                int steps = Math.Min(BlockSteps, k - k0);
                for (int panel = firstPanel; panel < endPanel; panel++)
                {
                    b.Pack(panel * width, Math.Min(width, n - panel * width), width, k0, steps, packed + (long)(panel - firstPanel) * steps * width);
                }

                TileStart start = accumulate || k0 > 0 ? TileStart.Continue : TileStart.Zero;
                for (int row = firstRow; row < endRow; row += MicroKernel.Rows)
                {
                    int rows = Math.Min(MicroKernel.Rows, endRow - row);
                    for (int panel = upper ? Math.Max(firstPanel, row / width) : firstPanel; panel < endPanel; panel++)
                    {
                        float* c = y + (long)row * n + panel * width;
                        Tiles.Run<TSimd, TVector, TAdd>(x + (long)row * k + k0, k, rows, packed + (long)(panel - firstPanel) * steps * width, width, steps, c, n, Math.Min(width, n - panel * width), start);
                    }
                }
            }
        });
    }
}
