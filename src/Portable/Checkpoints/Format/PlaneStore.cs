using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Portable.Reference.BitPlanes;

namespace Portable.Checkpoints.Format;

/// <summary>
/// Bit planes in the order of <see cref="BitPlaneMatrix"/>; a plane of a block with c columns takes ⌈c/8⌉ bytes, little
/// endian, unused high bits 0. Where groups and K are multiples of 64 these are the words of memory as they are.
/// </summary>
internal sealed class PlaneStore : CodeStore
{
    public override string Name => "planes";

    public override long RowBytes(GroupLayout layout, CodeFormat format)
    {
        long bytes = 0;
        foreach (int width in new RowBlocks(layout).Widths)
        {
            bytes += (width + 7) / 8;
        }

        return bytes * format.Bits;
    }

    protected override bool IsVerbatim(GroupLayout layout) => layout.PaddedColumns == layout.Columns;

    protected override void PackRow(ReadOnlySpan<ulong> words, RowBlocks blocks, int bits, Span<byte> row)
    {
        Span<byte> word = stackalloc byte[8];
        int index = 0;
        foreach (int width in blocks.Widths)
        {
            int bytes = (width + 7) / 8;
            for (int plane = 0; plane < bits; plane++)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(word, words[index++]);
                word[..bytes].CopyTo(row);
                row = row[bytes..];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override bool UnpackRow(ReadOnlySpan<byte> bytes, int rowBytes, RowBlocks blocks, int bits, Span<ulong> words)
    {
        ulong stray = 0;
        int index = 0, at = 0;
        foreach (int width in blocks.Widths)
        {
            int step = (width + 7) / 8;
            ulong stored = RowBlocks.Mask(8 * step), unused = ~RowBlocks.Mask(width);
            for (int plane = 0; plane < bits; plane++, at += step)
            {
                ulong value = BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]) & stored;
                stray |= value & unused;
                words[index++] = value;
            }
        }

        return stray == 0;
    }
}
