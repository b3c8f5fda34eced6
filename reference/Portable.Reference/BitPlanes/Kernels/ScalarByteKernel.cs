using Portable.Reference.Threading;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>
/// Plain 64-bit integers, for processes without vector instructions: two channels' unsigned codes side by side in one word,
/// w₀ + 2^32·w₁, so that one multiplication by an unsigned activation code makes two products.
/// </summary>
/// <remarks>Both operands are shifted to be unsigned; 32,768 products of 255 · 255 stay below 2^32, so no half overflows into the other.</remarks>
internal sealed unsafe class ScalarByteKernel : MatmulKernel
{
    private const int ChunkBlocks = 64;

    public override string Name => "scalar-bytes";

    public override string Requires => "nothing";

    public override bool IsSupported => true;

    public override KernelTile Tile => new(1, 2);

    public override int ActivationOffset(CodeFormat digit) => digit.Minimum;

    public override int WeightOffset(CodeFormat weights) => weights.Minimum;

    public override double Cost(MatmulShape shape) =>
        shape.Channels * (double)shape.Layout.PaddedColumns * (shape.Rows * (shape.Activations.Bits == 16 ? 2 : 1) * 0.7 + 2) * KernelRows.NanosecondsPerCycle;

    public override long PackedRowBytes(GroupLayout layout, CodeFormat digit) => layout.PaddedColumns;

    public override void Pack(in ActivationRows rows, int firstRow, byte* packed)
    {
        byte* source = rows.Row(firstRow);
        byte flip = (byte)-rows.DigitFormat(firstRow).Minimum;
        for (int i = 0; i < rows.Layout.PaddedColumns; i++)
        {
            packed[i] = (byte)(source[i] + flip);
        }
    }

    public override void Accumulate(in KernelTask task)
    {
        GroupLayout layout = task.Weights.Layout;
        int first = layout.FirstBlock(task.FirstGroup), end = layout.EndBlock(task.FirstGroup);
        ulong* panel = Scratch.Get<ulong>(Scratch.Weights, ChunkBlocks * GroupLayout.BlockSize);
        for (int channel = 0; channel < task.Channels; channel += 2)
        {
            for (int block = first; block < end; block += ChunkBlocks)
            {
                int blocks = Math.Min(ChunkBlocks, end - block), columns = blocks * GroupLayout.BlockSize;
                Expand(task.Weights, task.Words, task.FirstChannel + channel, block, blocks, panel);
                for (int row = task.FirstRow; row < task.FirstRow + task.Rows; row++)
                {
                    byte* x = task.Packed + (long)row * layout.PaddedColumns + (long)block * GroupLayout.BlockSize;
                    ulong even = 0, odd = 0;
                    for (int i = 0; i < columns; i += 2)
                    {
                        even += panel[i] * x[i];
                        odd += panel[i + 1] * x[i + 1];
                    }

                    // Each half is below 2^31 by the chunk's length, so their sums stay apart.
                    ulong both = even + odd;
                    int* sums = task.SumsOf(task.FirstGroup, row) + channel;
                    sums[0] = (block == first ? 0 : sums[0]) + (int)(uint)both;
                    sums[1] = (block == first ? 0 : sums[1]) + (int)(both >> 32);
                }
            }
        }
    }

    private static void Expand(BitPlaneMatrix w, ulong* words, int channel, int firstBlock, int blocks, ulong* panel)
    {
        int bits = w.Format.Bits;
        ulong flip = w.Format.Signed ? 1ul << (bits - 1) : 0;
        flip |= flip << 32;
        ulong* a = words + (long)channel * w.RowWords + (long)firstBlock * bits;
        ulong* b = channel + 1 < w.Rows ? a + w.RowWords : a;
        for (int block = 0; block < blocks; block++, a += bits, b += bits, panel += GroupLayout.BlockSize)
        {
            for (int i = 0; i < GroupLayout.BlockSize; i++)
            {
                ulong codes = flip;
                for (int plane = 0; plane < bits; plane++)
                {
                    codes ^= (((a[plane] >> i) & 1) | ((b[plane] >> i) & 1) << 32) << plane;
                }

                panel[i] = codes;
            }
        }
    }
}
