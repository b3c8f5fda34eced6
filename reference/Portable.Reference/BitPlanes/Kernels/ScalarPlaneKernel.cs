using System.Numerics;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>The definition: Σ_i Σ_j c_i·d_j·popcount(X_i AND W_j), one 64-bit word at a time.</summary>
internal sealed unsafe class ScalarPlaneKernel : MatmulKernel
{
    public override string Name => "scalar";

    public override string Requires => "nothing";

    public override bool IsSupported => true;

    public override KernelTile Tile => new(1, 1);

    public override double Cost(MatmulShape shape) =>
        1e3 * shape.Channels * shape.Layout.PaddedColumns * shape.Rows * shape.Weights.Bits * shape.Activations.Bits;

    public override long PackedRowBytes(GroupLayout layout, CodeFormat digit) => (long)layout.Blocks * digit.Bits * sizeof(ulong);

    public override void Pack(in ActivationRows rows, int firstRow, byte* packed) =>
        PlanePacking.Pack(rows.Row(firstRow), rows.Layout.Blocks, rows.DigitBits, (ulong*)packed);

    public override void Accumulate(in KernelTask task)
    {
        CodeFormat weights = task.Weights.Format;
        GroupLayout layout = task.Weights.Layout;
        int firstBlock = layout.FirstBlock(task.FirstGroup), blocks = layout.EndBlock(task.FirstGroup) - firstBlock;
        for (int row = task.FirstRow; row < task.FirstRow + task.Rows; row++)
        {
            CodeFormat digit = task.Activations.DigitFormat(row);
            ulong* x = (ulong*)(task.Packed + row * PackedRowBytes(layout, digit)) + (long)firstBlock * digit.Bits;
            for (int channel = 0; channel < task.Channels; channel++)
            {
                ulong* w = task.Words + (long)(task.FirstChannel + channel) * task.Weights.RowWords + (long)firstBlock * weights.Bits;
                task.SumsOf(task.FirstGroup, row)[channel] = Sum(x, digit, w, weights, blocks);
            }
        }
    }

    private static int Sum(ulong* x, CodeFormat digit, ulong* w, CodeFormat weights, int blocks)
    {
        int sum = 0;
        for (int i = 0; i < digit.Bits; i++)
        {
            for (int j = 0; j < weights.Bits; j++)
            {
                int count = 0;
                for (int block = 0; block < blocks; block++)
                {
                    count += BitOperations.PopCount(x[block * digit.Bits + i] & w[block * weights.Bits + j]);
                }

                sum += digit.PlaneWeight(i) * weights.PlaneWeight(j) * count;
            }
        }

        return sum;
    }
}
