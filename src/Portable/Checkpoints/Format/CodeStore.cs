using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Safetensors;
using Portable.Reference.BitPlanes;
using Portable.Reference.Threading;

namespace Portable.Checkpoints.Format;

/// <summary>How the codes of a linear layer lie in a file: a row is a whole number of bytes, rows follow each other.</summary>
internal abstract class CodeStore
{
    /// <summary>Bit planes, as in memory but without padding.</summary>
    public static readonly CodeStore Planes = new PlaneStore();

    /// <summary>Codes 0…4, three in seven bits.</summary>
    public static readonly CodeStore FiveLevels = new FiveLevelStore();

    // Large enough to read at the speed of the disk, small enough to be nothing beside a block.
    private const int ChunkBytes = 8 << 20;

    // Pieces of a file that threads map at a time.
    private const int PieceWords = 1 << 20, PieceBytes = 1 << 20;

    // What is read is still in the second-level cache when it is unpacked.
    private const int StretchBytes = 256 << 10;

    private const int Slack = 8;

    private static readonly CodeStore[] All = [Planes, FiveLevels];

    /// <summary>Name in the metadata.</summary>
    public abstract string Name { get; }

    /// <summary>Finds a store by name.</summary>
    public static CodeStore? Find(string name) => Array.Find(All, s => s.Name == name);

    /// <summary>Bytes of a row.</summary>
    public abstract long RowBytes(GroupLayout layout, CodeFormat format);

    /// <summary>Packs a row of a matrix.</summary>
    protected abstract void PackRow(ReadOnlySpan<ulong> words, RowBlocks blocks, int bits, Span<byte> row);

    /// <summary>Unpacks a row.</summary>
    /// <param name="bytes">The row, and at least <see cref="Slack"/> bytes of anything behind it, so that eight bytes can be read at once.</param>
    /// <param name="rowBytes">Bytes of the row.</param>
    /// <param name="blocks">Columns of its blocks.</param>
    /// <param name="bits">Planes.</param>
    /// <param name="words">Receives the row's words.</param>
    /// <returns>False where the bytes are none that <see cref="PackRow"/> writes.</returns>
    protected abstract bool UnpackRow(ReadOnlySpan<byte> bytes, int rowBytes, RowBlocks blocks, int bits, Span<ulong> words);

    /// <summary>Whether a row's bytes are its words.</summary>
    protected virtual bool IsVerbatim(GroupLayout layout) => false;

    /// <summary>Whether memory has rows as the file has them: in base five.</summary>
    protected virtual bool IsBaseFive(GroupLayout layout) => false;

    /// <summary>The tensor of a matrix: U8, rows × bytes of a row.</summary>
    public TensorSource ToTensor(string name, BitPlaneMatrix matrix)
    {
        int rowBytes = checked((int)RowBytes(matrix.Layout, matrix.Format));
        return new TensorSource(name, TensorType.U8, [matrix.Rows, rowBytes], stream =>
        {
            if (IsVerbatim(matrix.Layout))
            {
                stream.Write(MemoryMarshal.AsBytes(matrix.Words.Span));
                return;
            }

            if (matrix.BaseFive is { } stored)
            {
                stream.Write(stored.Bytes.Span);
                return;
            }

            RowBlocks blocks = new(matrix.Layout);
            int chunk = Math.Max(1, ChunkBytes / rowBytes);
            byte[] buffer = new byte[(long)Math.Min(chunk, matrix.Rows) * rowBytes];
            ReadOnlyMemory<ulong> words = matrix.Words;
            for (int first = 0; first < matrix.Rows; first += chunk)
            {
                int rows = Math.Min(chunk, matrix.Rows - first), start = first;
                WorkerPool.Run(rows, r => PackRow(words.Span.Slice((start + r) * matrix.RowWords, matrix.RowWords), blocks, matrix.Format.Bits, buffer.AsSpan(r * rowBytes, rowBytes)));
                stream.Write(buffer, 0, rows * rowBytes);
            }
        });
    }

    /// <summary>
    /// A matrix: its words in place where the file has them as memory has, and then they are mapped and nobody looks at them yet;
    /// else unpacked. All threads work on it.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="tensor">Its codes.</param>
    /// <param name="layout">Their groups.</param>
    /// <param name="format">Their widths.</param>
    /// <param name="memory">Where they are unpacked.</param>
    /// <exception cref="CheckpointException">Bits that stand for no code are set.</exception>
    public BitPlaneMatrix Read(SafetensorsFile file, TensorInfo tensor, GroupLayout layout, CodeFormat format, LargeMemory memory)
    {
        int rows = (int)tensor.Shape[0], rowBytes = (int)tensor.Shape[1], rowWords = layout.Blocks * format.Bits, bad = int.MaxValue;
        if (IsVerbatim(layout) && BitConverter.IsLittleEndian && file.MapWords(tensor) is { } inPlace)
        {
            WorkerPool.Run((inPlace.Length + PieceWords - 1) / PieceWords, piece =>
            {
                int first = piece * PieceWords;
                MappedFile.Touch(inPlace.Slice(first, Math.Min(PieceWords, inPlace.Length - first)));
            });
            return new BitPlaneMatrix(rows, layout, format, inPlace);
        }

        if (IsBaseFive(layout) && (long)rows * rowBytes <= int.MaxValue)
        {
            return ReadBaseFive(file, tensor, layout);
        }

        MemoryManager<ulong> unpacked = memory.Allocate<ulong>(BitPlaneMatrix.WordCount(rows, layout, format));
        RowBlocks blocks = new(layout);
        int stretch = Math.Max(1, StretchBytes / rowBytes);
        WorkerPool.Run((rows + stretch - 1) / stretch, piece =>
        {
            int first = piece * stretch, end = Math.Min(first + stretch, rows);
            Span<ulong> words = unpacked.GetSpan()[(first * rowWords)..(end * rowWords)];
            byte[] buffer = ArrayPool<byte>.Shared.Rent((end - first) * rowBytes + Slack);
            file.Read(tensor, (long)first * rowBytes, buffer.AsSpan(0, (end - first) * rowBytes));
            for (int row = first; row < end; row++)
            {
                if (!UnpackRow(buffer.AsSpan((row - first) * rowBytes), rowBytes, blocks, format.Bits, words.Slice((row - first) * rowWords, rowWords)))
                {
                    Lower(ref bad, row);
                }
            }

            ArrayPool<byte>.Shared.Return(buffer);
        });
        return bad == int.MaxValue ? new BitPlaneMatrix(rows, layout, format, unpacked.Memory) : throw NoCodes(file, tensor, bad);
    }

    /// <summary>Rows in base five in place: all threads look whether they are codes.</summary>
    private static BitPlaneMatrix ReadBaseFive(SafetensorsFile file, TensorInfo tensor, GroupLayout layout)
    {
        int rows = (int)tensor.Shape[0], rowBytes = (int)tensor.Shape[1], bad = int.MaxValue, stretch = Math.Max(1, PieceBytes / rowBytes);
        ReadOnlyMemory<byte> bytes = file.Map(tensor);
        WorkerPool.Run((rows + stretch - 1) / stretch, piece =>
        {
            int first = piece * stretch, count = Math.Min(stretch, rows - first);
            int wrong = BaseFiveUnits.FirstInvalid(bytes.Span[(first * rowBytes)..], count, rowBytes, layout.Columns);
            if (wrong >= 0)
            {
                Lower(ref bad, first + wrong);
            }
        });
        return bad == int.MaxValue ? new BitPlaneMatrix(layout, new BaseFiveRows(rows, layout, bytes)) : throw NoCodes(file, tensor, bad);
    }

    private static CheckpointException NoCodes(SafetensorsFile file, TensorInfo tensor, int row) =>
        new(file.Path, $"row {row} holds bits that are no codes", tensor.Name, tensor.Offset + ((long)row * tensor.Shape[1]));

    // The message must not depend on which thread met its bad row first.
    private static void Lower(ref int least, int value)
    {
        int seen = Volatile.Read(ref least);
        while (value < seen)
        {
            int before = Interlocked.CompareExchange(ref least, value, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }
}
