using Portable.Reference.Threading;

namespace Portable.Reference.Operations;

/// <summary>Independent rows spread over threads, where there is enough work to share.</summary>
internal static class RowRanges
{
    // About 10 µs of elementwise work: a few times what handing a piece to another thread costs.
    private const int MinimumElements = 16 * 1024;

    /// <summary>Calls <paramref name="body"/> with ranges (first, count) that cover 0 … rows − 1.</summary>
    public static void Run(int rows, int columns, Action<int, int> body)
    {
        int pieces = (int)Math.Min(rows, (long)rows * columns / MinimumElements);
        if (pieces <= 1)
        {
            body(0, rows);
            return;
        }

        WorkerPool.Run(pieces, piece =>
        {
            int first = (int)((long)rows * piece / pieces);
            body(first, (int)((long)rows * (piece + 1) / pieces) - first);
        });
    }
}
