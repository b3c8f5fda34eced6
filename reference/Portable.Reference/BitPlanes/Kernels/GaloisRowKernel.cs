using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Portable.Reference.Threading;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>
/// Few activation rows (decoding): every weight row streams past once, its planes become bytes in registers, 64 codes at a
/// time, and meet up to four activation rows in natural column order.
/// </summary>
/// <remarks>
/// vpermb gathers byte j of every plane into the 64-bit lane j; gf2p8affineqb of a unit matrix by that lane is its 8×8 bit
/// transpose: the codes of columns 8j … 8j + 7. Weights of 1 to 4 bits fill a lane's eight planes with 8, 4, 2 and 2 blocks,
/// so one transposition serves them all and a shift and a mask give each; 8-bit weights are multiplied as two 4-bit digits,
/// because byte pairs of 8 × 8 bits would saturate.
/// </remarks>
internal sealed unsafe class GaloisRowKernel : MatmulKernel
{
    private const int MaximumRows = 4;

    // Bytes: four such rows are a page.
    private const int ShortRow = 1024;

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
        double groups = (double)shape.Channels * shape.Layout.Groups * rows;
        int bits = shape.Weights.Bits;
        double widen = 1.5 / PairSums.Deferral(bits == 8 ? 4 : bits, rows == shape.Rows ? shape.Activations.Bits : 8);
        return (blocks * (passes * (bits == 8 ? 2.5 : 1.5) + rows * ((bits == 8 ? 3.5 : 2.2) + widen)) + groups * 15) * KernelRows.NanosecondsPerCycle;
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
                Rows<One>(task);
                break;
            case 2:
                Rows<Two>(task);
                break;
            case 3:
                Rows<Three>(task);
                break;
            case 4:
                Rows<Four>(task);
                break;
            case 8:
                Rows<Eight>(task);
                break;
            default:
                Rows<Seven>(task);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Rows<TBits>(in KernelTask task)
        where TBits : struct, ICount
    {
        ulong* last = CopyLast(task, out int direct);
        for (int row = 0; row < task.Rows;)
        {
            int count = task.Rows - row;
            if (count >= 4)
            {
                GaloisRows<TBits, Four>.Run(task, row, direct, last);
                row += 4;
            }
            else if (count >= 2)
            {
                GaloisRows<TBits, Two>.Run(task, row, direct, last);
                row += 2;
            }
            else if (task.Weights.RowWords * sizeof(ulong) <= ShortRow)
            {
                GaloisQuad<TBits>.Run(task, row++, direct, last);
            }
            else
            {
                GaloisRows<TBits, One>.Run(task, row++, direct, last);
            }
        }
    }

    // Registers are loaded whole, up to 7 words past a block: channels for which that could leave the matrix are read from a
    // copy with room after it.
    private static ulong* CopyLast(in KernelTask task, out int direct)
    {
        const int Register = 8;
        BitPlaneMatrix w = task.Weights;
        int words = w.RowWords;
        direct = Math.Clamp((int)(Math.Max(0, (long)w.Rows * words - Register) / words) - task.FirstChannel, 0, task.Channels);
        long count = (long)(task.Channels - direct) * words;
        ulong* copy = Scratch.Get<ulong>(Scratch.Weights, count + Register);
        Buffer.MemoryCopy(task.Words + (long)(task.FirstChannel + direct) * words, copy, count * sizeof(ulong), count * sizeof(ulong));
        return copy;
    }
}
