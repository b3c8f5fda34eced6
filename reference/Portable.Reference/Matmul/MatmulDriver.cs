using Portable.Reference.BitPlanes;
using Portable.Reference.Threading;

namespace Portable.Reference.Matmul;

/// <summary>Cuts a matmul into independent pieces, runs a kernel on each and hands the exact sums to a sink.</summary>
internal static unsafe class MatmulDriver
{
    // Sums of a piece (rows × 64 channels × 4 bytes) stay in the second-level cache.
    private const int MaximumRowBlock = 256;
    private const int MaximumSums = 1 << 16;

    public static void Run(QuantizedActivations x, BitPlaneMatrix w, MatmulKernel kernel, MatmulSink sink)
    {
        if (x.Layout != w.Layout)
        {
            throw new ArgumentException($"Activations are laid out as {x.Layout}, weights as {w.Layout}.", nameof(x));
        }

        ActivationRows rows = new(x);
        int tileRows = kernel.Tile.Rows, tiles = (rows.Count + tileRows - 1) / tileRows;
        long tileBytes = tileRows * kernel.PackedRowBytes(w.Layout, ActivationRows.DigitFormat(x.Format, 0));
        byte* packed = ScratchMemory.Get(ScratchMemory.Slot.Activations, tiles * tileBytes);
        Pack(rows, kernel, packed, tiles, tileBytes);

        int channels = w.Rows, channelBlock = kernel.ChannelBlock, channelBlocks = (channels + channelBlock - 1) / channelBlock;
        int rowBlock = RowBlock(rows.Count, Lcm(tileRows, rows.Digits), channelBlocks), rowBlocks = (rows.Count + rowBlock - 1) / rowBlock;
        int groups = w.Layout.Groups, groupStep = kernel.TakesWholeRows ? Math.Clamp(MaximumSums / (rowBlock * channelBlock), 1, groups) : 1;
        fixed (ulong* fixedWords = w.Words)
        {
            ulong* words = fixedWords;
            WorkerPool.Run(channelBlocks * rowBlocks, piece =>
            {
                int firstRow = piece % rowBlocks * rowBlock, firstChannel = piece / rowBlocks * channelBlock;
                int rowCount = Math.Min(rowBlock, rows.Count - firstRow), channelCount = Math.Min(channelBlock, channels - firstChannel);
                int* sums = (int*)ScratchMemory.Get(ScratchMemory.Slot.Sums, (long)groupStep * rowCount * channelBlock * sizeof(int));
                for (int group = 0; group < groups; group += groupStep)
                {
                    KernelTask task = new()
                    {
                        Activations = rows, Packed = packed, Weights = w, Words = words,
                        FirstGroup = group, Groups = Math.Min(groupStep, groups - group),
                        FirstRow = firstRow, Rows = rowCount, FirstChannel = firstChannel, Channels = channelCount,
                        Sums = sums, Stride = channelBlock,
                    };
                    kernel.Accumulate(task);
                    for (int g = group; g < group + task.Groups; g++)
                    {
                        sink.Take(task, g);
                    }
                }
            });
        }

        GC.KeepAlive(x);
    }

    private static void Pack(ActivationRows rows, MatmulKernel kernel, byte* packed, int tiles, long tileBytes)
    {
        // Packing one token is cheaper than waking another thread.
        int tilesPerPiece = (int)Math.Max(1, 16384 / tileBytes);
        WorkerPool.Run((tiles + tilesPerPiece - 1) / tilesPerPiece, piece =>
        {
            for (int tile = piece * tilesPerPiece; tile < Math.Min(tiles, (piece + 1) * tilesPerPiece); tile++)
            {
                kernel.Pack(rows, tile * kernel.Tile.Rows, packed + tile * tileBytes);
            }
        });
    }

    // Few channels and many threads: cut the rows finer, so that every thread has several pieces.
    private static int RowBlock(int rows, int granularity, int channelBlocks)
    {
        int wanted = Math.Max(1, 4 * WorkerPool.Threads / channelBlocks);
        int block = Math.Min(MaximumRowBlock, Math.Max((rows + wanted - 1) / wanted, Math.Min(rows, 16)));
        return (block + granularity - 1) / granularity * granularity;
    }

    private static int Lcm(int tileRows, int digits) => tileRows % digits == 0 ? tileRows : tileRows * digits;
}
