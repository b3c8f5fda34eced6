using System.Runtime.Intrinsics;

namespace Portable.Reference.BitPlanes;

/// <summary>Takes the sums of a piece, one group at a time in ascending order.</summary>
internal abstract class MatmulSink
{
    /// <summary>Consumes the sums of <paramref name="group"/> in <paramref name="task"/>.</summary>
    public abstract void Take(in KernelTask task, int group);
}

/// <summary>Writes exact sums of the raw codes, [(group × M + m) × N + n], per digit.</summary>
internal sealed unsafe class IntegerSink(QuantizedActivations x, BitPlaneMatrix w, MatmulKernel kernel, int* low, int* high) : MatmulSink
{
    public override void Take(in KernelTask task, int group)
    {
        int digits = task.Activations.Digits, padded = PaddedColumns(w.Layout, group), weightOffset = kernel.WeightOffset(w.Format);
        for (int row = task.FirstRow; row < task.FirstRow + task.Rows; row++)
        {
            int token = row / digits, activationOffset = kernel.ActivationOffset(task.Activations.DigitFormat(row));
            bool isHigh = row % digits == 1;
            int sum = (isHigh ? x.HighRowSums! : x.RowSums)[token * w.Layout.Groups + group];
            int* source = task.SumsOf(group, row), target = (isHigh ? high : low) + ((long)group * x.Rows + token) * w.Rows + task.FirstChannel;
            for (int i = 0; i < task.Channels; i++)
            {
                int weightSum = w.RowSums[(task.FirstChannel + i) * w.Layout.Groups + group];
                target[i] = source[i] + MatmulKernel.OffsetCorrection(activationOffset, weightOffset, sum, weightSum, padded);
            }
        }
    }

    internal static int PaddedColumns(GroupLayout layout, int group) => (layout.EndBlock(group) - layout.FirstBlock(group)) * GroupLayout.BlockSize;
}
