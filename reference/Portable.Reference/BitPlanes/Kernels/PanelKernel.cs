using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>
/// Planes grouped into one digit of up to 8 bits and multiplied by byte (or word) multiply-adds: a panel of channels × columns
/// is expanded from planes once, in cache, and then meets every activation row.
/// </summary>
/// <remarks>
/// Activations become signed, x' = x − 2^(b−1) where they are unsigned; weights become unsigned, w' = w + 2^(b−1) where they
/// are signed (its bits are those of w with the top plane flipped), or signed in 8 bits where the instruction wants that.
/// </remarks>
internal sealed unsafe class PanelKernel<TDot, TRegister, V> : MatmulKernel
    where TDot : struct, IDotOperation<V>
    where TRegister : struct, IRegister<V>
    where V : struct
{
    // Panel bytes of one register tile: half of a first-level cache, the rest is for activations.
    private const int PanelBytes = 16384;

    private const int RowStride = 4;

    private static readonly int CodesPerStep = TDot.Codes == LaneCodes.Words ? 2 : 4;

    public override string Name => TDot.Name;

    public override string Requires => TDot.Requires;

    public override bool IsSupported => TDot.IsSupported;

    public override KernelTile Tile => new(RowStride, 2 * TRegister.Lanes);

    public override bool Serves(CodeFormat weights, CodeFormat digit) => !TDot.Defers || PairSums.Deferral(weights.Bits, digit.Bits) > 0;

    public override int ActivationOffset(CodeFormat digit) => digit.Signed ? 0 : 1 << (digit.Bits - 1);

    public override int WeightOffset(CodeFormat weights)
    {
        int half = 1 << (weights.Bits - 1);
        return TDot.Codes == LaneCodes.SignedBytes && weights.Bits == 8 ? (weights.Signed ? 0 : half) : weights.Signed ? -half : 0;
    }

    public override double Cost(MatmulShape shape)
    {
        int digits = shape.Activations.Bits == 16 ? 2 : 1, rows = shape.Rows * digits;
        double columns = shape.Layout.PaddedColumns, tiles = (shape.Channels + Tile.Channels - 1) / Tile.Channels;
        double deferral = TDot.Defers ? PairSums.Deferral(shape.Weights.Bits, digits == 2 ? 8 : shape.Activations.Bits) : double.PositiveInfinity;
        double perStep = 2 * TDot.Cycles * (1 + 0.9 / deferral);
        double multiply = tiles * (columns / CodesPerStep) * Math.Max(2.5, (rows + (rows % 4 == 3 ? 1 : 0)) * perStep);
        double expand = tiles * Tile.Channels * columns * (TRegister.Lanes == 16 ? 0.5 : 0.7);
        double pack = rows * columns * 1.2;
        double sums = (double)shape.Channels * shape.Layout.Groups * rows;
        return (multiply + expand + pack + sums) * KernelRows.NanosecondsPerCycle;
    }

    public override long PackedRowBytes(GroupLayout layout, CodeFormat digit) => (long)layout.PaddedColumns * 4 / CodesPerStep;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Pack(in ActivationRows rows, int firstRow, byte* packed)
    {
        byte* codes = stackalloc byte[GroupLayout.BlockSize];
        int count = Math.Min(RowStride, rows.Count - firstRow);
        for (int row = 0; row < count; row++)
        {
            byte* source = rows.Row(firstRow + row);
            byte offset = (byte)ActivationOffset(rows.DigitFormat(firstRow + row));
            int* target = (int*)packed + row;
            for (int block = 0; block < rows.Layout.Blocks; block++, source += GroupLayout.BlockSize)
            {
                ColumnOrder.Transpose(source, codes, offset);
                target = CodesPerStep == 4 ? ScatterBytes(codes, target) : ScatterWords((sbyte*)codes, target);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Accumulate(in KernelTask task)
    {
        GroupLayout layout = task.Weights.Layout;
        CodeFormat digit = task.Activations.DigitFormat(0);
        int deferral = TDot.Defers ? PairSums.Deferral(task.Weights.Format.Bits, digit.Bits) : 0;
        int blockSteps = GroupLayout.BlockSize / CodesPerStep, tileLanes = Tile.Channels, blockBytes = blockSteps * tileLanes * sizeof(int);
        int chunk = Math.Max(1, PanelBytes / blockBytes), first = layout.FirstBlock(task.FirstGroup), end = layout.EndBlock(task.FirstGroup);
        byte* panel = Scratch.Get<byte>(Scratch.Weights, (long)chunk * blockBytes);
        long rowBytes = PackedRowBytes(layout, digit);
        // Columns outside: what the rows have of a chunk is read once for all channels, from a second-level cache that does not hold them whole.
        for (int block = first; block < end; block += chunk)
        {
            int blocks = Math.Min(chunk, end - block);
            for (int channel = 0; channel < task.Channels; channel += tileLanes)
            {
                Expand(task, task.FirstChannel + channel, block, blocks, (int*)panel);
                for (int row = task.FirstRow; row < task.FirstRow + task.Rows; row += RowStride)
                {
                    int* x = (int*)(task.Packed + row * rowBytes) + (long)block * blockSteps * RowStride;
                    Multiply(panel, x, blocks * blockSteps, deferral, task.SumsOf(task.FirstGroup, row) + channel, task.Stride, Math.Min(RowStride, task.FirstRow + task.Rows - row), block > first);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Multiply(byte* panel, int* x, int steps, int deferral, int* sums, int stride, int rows, bool add)
    {
        if (rows == 4)
        {
            MicroTile<TDot, TRegister, V, Four>.Run(panel, x, steps, deferral, sums, stride, add);
            return;
        }

        if (rows >= 2)
        {
            MicroTile<TDot, TRegister, V, Two>.Run(panel, x, steps, deferral, sums, stride, add);
        }

        if (rows != 2)
        {
            MicroTile<TDot, TRegister, V, One>.Run(panel, x + rows - 1, steps, deferral, sums + (rows - 1) * stride, stride, add);
        }
    }

    private void Expand(in KernelTask task, int firstChannel, int firstBlock, int blocks, int* panel)
    {
        BitPlaneMatrix w = task.Weights;
        int bits = w.Format.Bits, tileLanes = Tile.Channels;
        byte flip = (byte)(WeightOffset(w.Format) != 0 ? 1 << (bits - 1) : 0);
        bool words = CodesPerStep == 2;
        int lanes = Vector512.IsHardwareAccelerated ? WordLanes8.Count : WordLanes4.Count;
        ulong** channels = stackalloc ulong*[WordLanes8.Count];
        for (int lane = 0; lane < tileLanes; lane += lanes)
        {
            for (int i = 0; i < lanes; i++)
            {
                // Past the last channel any codes will do: their sums are not taken.
                channels[i] = task.Words + (long)Math.Min(firstChannel + lane + i, w.Rows - 1) * w.RowWords + (long)firstBlock * bits;
            }

            if (Vector512.IsHardwareAccelerated)
            {
                PanelExpansion<WordLanes8, Vector512<ulong>>.Expand(channels, blocks, bits, flip, words, panel + lane, tileLanes);
            }
            else
            {
                PanelExpansion<WordLanes4, Vector256<ulong>>.Expand(channels, blocks, bits, flip, words, panel + lane, tileLanes);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int* ScatterBytes(byte* codes, int* target)
    {
        for (int i = 0; i < GroupLayout.BlockSize; i += 4, target += RowStride)
        {
            *target = *(int*)(codes + i);
        }

        return target;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int* ScatterWords(sbyte* codes, int* target)
    {
        for (int i = 0; i < GroupLayout.BlockSize; i += 4, target += 2 * RowStride)
        {
            target[0] = Pair(codes[i], codes[i + 2]);
            target[RowStride] = Pair(codes[i + 1], codes[i + 3]);
        }

        return target;
    }

    private static int Pair(int low, int high) => (low & 0xFFFF) | (high << 16);
}
