using System.Runtime.CompilerServices;
using Portable.Reference.Threading;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>
/// AND and popcount per plane pair, as the definition, with output channels in the lanes: a word of 64 activation bits is
/// broadcast to all channels, and bits are counted by carry-save adders. Wins where weights and activations have few planes.
/// </summary>
internal sealed unsafe class PlaneKernel<TLanes, TCount, U> : MatmulKernel
    where TLanes : struct, IWordLanes<U>
    where TCount : struct, IPopCountLanes<U>
    where U : struct
{
    public override string Name => TCount.Name;

    public override string Requires => TCount.Requires;

    public override bool IsSupported => TCount.IsSupported;

    public override KernelTile Tile => new(1, TLanes.Count);

    public override double Cost(MatmulShape shape)
    {
        GroupLayout layout = shape.Layout;
        double lanes = TLanes.Count, vectors = (shape.Channels + TLanes.Count - 1) / TLanes.Count, groups = layout.Groups, planes = shape.Activations.Bits * shape.Weights.Bits;
        double width = TLanes.Count == 8 ? 1 : 0.7;
        double count = vectors * shape.Rows * planes * width * (3.2 * layout.Blocks + groups * (10 + 6 * Math.Min(7, (layout.Blocks + groups - 1) / groups % 8)));
        double gather = vectors * layout.Blocks * shape.Weights.Bits * lanes * 1.5;
        return (count + gather) * KernelRows.NanosecondsPerCycle;
    }

    public override long PackedRowBytes(GroupLayout layout, CodeFormat digit) => (long)layout.Blocks * digit.Bits * sizeof(ulong);

    public override void Pack(in ActivationRows rows, int firstRow, byte* packed) =>
        PlanePacking.Pack(rows.Row(firstRow), rows.Layout.Blocks, rows.DigitBits, (ulong*)packed);

    public override void Accumulate(in KernelTask task)
    {
        BitPlaneMatrix w = task.Weights;
        GroupLayout layout = w.Layout;
        int firstBlock = layout.FirstBlock(task.FirstGroup), blocks = layout.EndBlock(task.FirstGroup) - firstBlock, bits = w.Format.Bits;
        ulong* panel = Scratch.Get<ulong>(Scratch.Weights, (long)blocks * bits * TLanes.Count);
        ulong** channels = stackalloc ulong*[TLanes.Count];
        int* high = stackalloc int[TLanes.Count];
        for (int channel = 0; channel < task.Channels; channel += TLanes.Count)
        {
            for (int i = 0; i < TLanes.Count; i++)
            {
                // Past the last channel any codes will do: their sums are not taken.
                channels[i] = task.Words + (long)Math.Min(task.FirstChannel + channel + i, w.Rows - 1) * w.RowWords + (long)firstBlock * bits;
            }

            Expand(channels, blocks, bits, panel);
            for (int row = task.FirstRow; row < task.FirstRow + task.Rows; row++)
            {
                CodeFormat digit = task.Activations.DigitFormat(row);
                ulong* x = (ulong*)(task.Packed + row * PackedRowBytes(layout, digit)) + (long)firstBlock * digit.Bits;
                U sum = PlaneSums<TLanes, TCount, U>.Sum(x, digit, panel, w.Format, blocks);
                TLanes.StoreHalves(sum, task.SumsOf(task.FirstGroup, row) + channel, high);
            }
        }
    }

    // panel[plane][block][channel]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Expand(ulong** channels, int blocks, int bits, ulong* panel)
    {
        for (int plane = 0; plane < bits; plane++)
        {
            for (int block = 0; block < blocks; block++, panel += TLanes.Count)
            {
                TCount.Store(TLanes.Gather(channels, (long)block * bits + plane), panel);
            }
        }
    }
}
