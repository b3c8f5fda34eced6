using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>
/// Few activation rows (decoding): every weight row streams past once, its planes become bytes in registers, 64 codes at a
/// time, and meet up to four activation rows in natural column order.
/// </summary>
/// <remarks>
/// vpermb gathers byte j of every plane into the 64-bit lane j; gf2p8affineqb of a unit matrix by that lane is its 8×8 bit
/// transpose: the codes of columns 8j … 8j + 7. Weights of 1, 2 and 4 bits fill a lane's eight planes with 8, 4 or 2 blocks,
/// so one transposition serves them all and a shift and a mask give each; 8-bit weights are multiplied as two 4-bit digits,
/// because byte pairs of 8 × 8 bits would saturate.
/// </remarks>
internal sealed unsafe class GaloisRowKernel : MatmulKernel
{
    private const int MaximumRows = 4;

    public override string Name => "avx512-gfni-rows";

    public override string Requires => "AVX-512 BW, AVX-512 VBMI and GFNI";

    public override bool IsSupported => Avx512BW.IsSupported && Avx512Vbmi.IsSupported && Gfni.V512.IsSupported;

    public override KernelTile Tile => new(1, 1);

    public override bool TakesWholeRows => true;

    public override int ActivationOffset(CodeFormat digit) => digit.Signed ? 0 : 1 << (digit.Bits - 1);

    public override int WeightOffset(CodeFormat weights) => weights.Signed ? -(1 << (weights.Bits - 1)) : 0;

    public override double Cost(MatmulShape shape)
    {
        int rows = shape.Rows * (shape.Activations.Bits == 16 ? 2 : 1);
        double blocks = (double)shape.Channels * shape.Layout.Blocks, passes = (rows + MaximumRows - 1) / MaximumRows;
        double group = (double)shape.Channels * shape.Layout.Groups * rows;
        return (blocks * (passes * 2.5 + rows * (shape.Weights.Bits == 8 ? 3 : 2)) + group * 8) * KernelRows.NanosecondsPerCycle;
    }

    public override long PackedRowBytes(GroupLayout layout, CodeFormat digit) => layout.PaddedColumns;

    public override void Pack(in ActivationRows rows, int firstRow, byte* packed)
    {
        byte* source = rows.Row(firstRow);
        Vector512<byte> offset = Vector512.Create((byte)ActivationOffset(rows.DigitFormat(firstRow)));
        for (int i = 0; i < rows.Layout.PaddedColumns; i += GroupLayout.BlockSize)
        {
            (Vector512.Load(source + i) - offset).Store(packed + i);
        }
    }

    public override void Accumulate(in KernelTask task)
    {
        switch (task.Weights.Format.Bits)
        {
            case 1:
                Rows<Eight>(task);
                break;
            case 2:
                Rows<Four>(task);
                break;
            case 4:
                Rows<Two>(task);
                break;
            default:
                Rows<One>(task);
                break;
        }
    }

    private static void Rows<TFields>(in KernelTask task)
        where TFields : struct, ICount
    {
        for (int row = 0; row < task.Rows;)
        {
            int count = task.Rows - row;
            if (count >= 4)
            {
                Groups<TFields, Four>(task, row);
                row += 4;
            }
            else if (count >= 2)
            {
                Groups<TFields, Two>(task, row);
                row += 2;
            }
            else
            {
                Groups<TFields, One>(task, row);
                row++;
            }
        }
    }

    private static void Groups<TFields, TRows>(in KernelTask task, int row)
        where TFields : struct, ICount
        where TRows : struct, ICount
    {
        BitPlaneMatrix w = task.Weights;
        int bits = w.Format.Bits;
        byte* x = task.Packed + (long)(task.FirstRow + row) * w.Layout.PaddedColumns;
        GaloisExpansion expansion = new(w.Format, TFields.Value);
        int deferral = PairSums.Deferral(bits == 8 ? 4 : bits, task.Activations.DigitBits);
        int* totals = stackalloc int[MaximumRows];
        for (int channel = 0; channel < task.Channels; channel++)
        {
            ulong* words = task.Words + (long)(task.FirstChannel + channel) * w.RowWords;
            for (int group = task.FirstGroup; group < task.FirstGroup + task.Groups; group++)
            {
                int first = w.Layout.FirstBlock(group), blocks = w.Layout.EndBlock(group) - first;
                // Loads are whole registers: near the end of the matrix they go through a copy.
                long readable = w.Words.Length - (words - task.Words) - (long)first * bits;
                if (bits == 8)
                {
                    GaloisRow<One, TRows>.SumDigits(expansion, words + (long)first * bits, x + first * 64L, w.Layout.PaddedColumns, blocks, deferral, totals);
                }
                else
                {
                    GaloisRow<TFields, TRows>.Sum(expansion, words + (long)first * bits, bits, readable, x + first * 64L, w.Layout.PaddedColumns, blocks, deferral, totals);
                }

                for (int r = 0; r < TRows.Value; r++)
                {
                    task.SumsOf(group, task.FirstRow + row + r)[channel] = totals[r];
                }
            }
        }
    }
}
