using System.Runtime.CompilerServices;
using Portable.Reference.BitPlanes;
using Portable.Reference.Threading;

namespace Portable.Reference.Matmul;

/// <summary>Cuts matmuls of one input into independent pieces, runs a kernel on each and hands the exact sums to sinks.</summary>
internal static unsafe class MatmulDriver
{
    // Sums of a piece (rows × 64 channels × 4 bytes) stay in the second-level cache.
    private const int MaximumRowBlock = 256;
    private const int MaximumSums = 1 << 16;

    // Channels that an epilogue takes together.
    private const int SmallestBlock = 16;

    // What a piece takes besides its channels, in channels of a decode step.
    private const int PieceChannels = 8, FewRows = 32;

    private const int PiecesPerThread = 4, LevelPieces = 8;

    public static void Run(QuantizedActivations x, MatmulKernel kernel, ReadOnlySpan<MatmulPart> parts)
    {
        ActivationRows rows = new(x);
        GroupLayout layout = x.Layout;
        int tileRows = kernel.Tile.Rows, tiles = (rows.Count + tileRows - 1) / tileRows;
        long tileBytes = tileRows * kernel.PackedRowBytes(layout, ActivationRows.DigitFormat(x.Format, 0));
        byte* packed = Scratch.Get<byte>(Scratch.Activations, tiles * tileBytes);
        Pack(rows, kernel, packed, tiles, tileBytes);

        int threads = Threads(parts, rows.Count), channelBlock = ChannelBlock(kernel, parts, rows.Count, threads), channelBlocks = 0;
        MatmulPart[] all = new MatmulPart[parts.Length];
        for (int i = 0; i < all.Length; i++)
        {
            if (parts[i].Weights.Layout != layout)
            {
                throw new ArgumentException($"Activations are laid out as {layout}, weights as {parts[i].Weights.Layout}.", nameof(x));
            }

            all[i] = parts[i] with { FirstBlock = channelBlocks };
            channelBlocks += (parts[i].Weights.Rows + channelBlock - 1) / channelBlock;
        }

        int rowBlock = RowBlock(rows.Count, Lcm(tileRows, rows.Digits), channelBlocks), rowBlocks = (rows.Count + rowBlock - 1) / rowBlock;
        int groups = layout.Groups, groupStep = kernel.TakesWholeRows ? Math.Clamp(MaximumSums / (rowBlock * channelBlock), 1, groups) : 1;
        // Compiled whole at once: of the steps that a process begins with, this would be a twentieth.
        WorkerPool.Run(channelBlocks * rowBlocks, [MethodImpl(MethodImplOptions.AggressiveOptimization)] (piece) =>
        {
            int firstRow = piece % rowBlocks * rowBlock, block = piece / rowBlocks;
            MatmulPart part = PartOf(all, block);
            BitPlaneMatrix w = part.Weights;
            int firstChannel = (block - part.FirstBlock) * channelBlock;
            int rowCount = Math.Min(rowBlock, rows.Count - firstRow), channelCount = Math.Min(channelBlock, w.Rows - firstChannel);
            int* sums = Scratch.Get<int>(Scratch.Sums, (long)groupStep * rowCount * channelBlock);
            bool inPlace = kernel.ReadsBaseFive || w.BaseFive is null;
            fixed (ulong* planes = w.BaseFive is null ? w.Words.Span : default)
            fixed (byte* baseFive = kernel.ReadsBaseFive ? w.BaseFive!.Bytes.Span : default)
            {
                ulong* words = inPlace ? planes : Unpack(w.BaseFive!, w.RowWords, firstChannel, channelCount);
                for (int group = 0; group < groups; group += groupStep)
                {
                    KernelTask task = new()
                    {
                        Activations = rows, Packed = packed, Weights = w, Words = words, BaseFive = baseFive,
                        FirstGroup = group, Groups = Math.Min(groupStep, groups - group),
                        FirstRow = firstRow, Rows = rowCount, FirstChannel = firstChannel, Channels = channelCount,
                        Sums = sums, Stride = channelBlock,
                    };
                    kernel.Accumulate(task);
                    for (int g = group; g < group + task.Groups; g++)
                    {
                        part.Sink.Take(task, g);
                    }
                }
            }
        }, threads);
        GC.KeepAlive(x);
    }

    // As if all rows lay there.
    private static ulong* Unpack(BaseFiveRows rows, int rowWords, int firstChannel, int channels)
    {
        // Kernels read whole registers.
        const int Register = 8;
        int count = channels * rowWords;
        ulong* words = Scratch.Get<ulong>(Scratch.Planes, count + Register);
        rows.Unpack(firstChannel, channels, new Span<ulong>(words, count));
        return words - ((long)firstChannel * rowWords);
    }

    private static MatmulPart PartOf(MatmulPart[] parts, int block)
    {
        int i = parts.Length - 1;
        while (parts[i].FirstBlock > block)
        {
            i--;
        }

        return parts[i];
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

    // A thread that is handed less than it reads in the time of a meeting makes the meeting longer and the work no shorter (16 cores:
    // 8 KB make steps of a small model 0.87 to 0.96 of their time with 8 and 16 threads)..
    private static int Threads(ReadOnlySpan<MatmulPart> parts, int rows)
    {
        const long ThreadBytes = 8192;
        if (rows > FewRows || WorkerPool.Threads <= 2)
        {
            return WorkerPool.Threads;
        }

        long bytes = 0;
        foreach (MatmulPart part in parts)
        {
            bytes += (long)part.Weights.Rows * part.Weights.RowWords * sizeof(ulong);
        }

        return (int)Math.Clamp(bytes / ThreadBytes, 1, WorkerPool.Threads);
    }

    // Channels of a piece, at least a tile of the kernel: those with which the thread that has the most is done first. Of many rows a
    // piece is long beside what else it takes: then as many pieces as level out threads that are not equally fast.
    private static int ChannelBlock(MatmulKernel kernel, ReadOnlySpan<MatmulPart> parts, int rows, int threads)
    {
        int best = kernel.ChannelBlock, bestPieces = 0, fixedPart = rows > FewRows ? 0 : PieceChannels;
        long least = long.MaxValue;
        for (int block = kernel.ChannelBlock; block >= Math.Max(SmallestBlock, kernel.Tile.Channels); block /= 2)
        {
            int pieces = 0;
            foreach (MatmulPart part in parts)
            {
                pieces += (part.Weights.Rows + block - 1) / block;
            }

            long time = (long)((pieces + threads - 1) / threads) * (block + fixedPart);
            if (time < least || (time == least && rows > FewRows && bestPieces < LevelPieces * threads))
            {
                (best, bestPieces, least) = (block, pieces, time);
            }
        }

        return best;
    }

    // Still too few: cut the rows, too, so that every thread has several pieces.
    private static int RowBlock(int rows, int granularity, int channelBlocks)
    {
        int wanted = (PiecesPerThread * WorkerPool.Threads + channelBlocks - 1) / channelBlocks;
        int block = Math.Min(MaximumRowBlock, Math.Max((rows + wanted - 1) / wanted, Math.Min(rows, 16)));
        return (block + granularity - 1) / granularity * granularity;
    }

    private static int Lcm(int tileRows, int digits) => tileRows % digits == 0 ? tileRows : tileRows * digits;
}

/// <summary>One of the matmuls that share an input.</summary>
/// <param name="Weights">N×K weights.</param>
/// <param name="Sink">Takes the sums.</param>
/// <param name="FirstBlock">The first of its channel blocks among those of all.</param>
internal readonly record struct MatmulPart(BitPlaneMatrix Weights, MatmulSink Sink, int FirstBlock = 0);
