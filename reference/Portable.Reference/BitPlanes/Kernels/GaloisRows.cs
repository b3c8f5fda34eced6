using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>The loop of <see cref="GaloisRowKernel"/>: all groups of some weight rows against one to four activation rows.</summary>
/// <typeparam name="TBits">Bits of a weight: 1, 2, 3, 4 or 8; 7 for 5, 6 and 7, which go one block at a time.</typeparam>
/// <typeparam name="TRows">Activation rows.</typeparam>
internal static unsafe class GaloisRows<TBits, TRows>
    where TBits : struct, ICount
    where TRows : struct, ICount
{
    private const int Block = GroupLayout.BlockSize;

    // Weights come from memory at its full rate only if they are asked for early; rows lie end to end, so far ahead is the
    // next row. A prefetch past the end of the matrix does nothing.
    private const int Ahead = 2048;

    // Blocks per transposition.
    private static int Fields
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TBits.Value < 5 ? 8 / TBits.Value : 1;
    }

    /// <summary>Computes the sums of a task for some rows.</summary>
    /// <param name="task">The task.</param>
    /// <param name="firstRow">First of the rows, counted from the task's.</param>
    /// <param name="direct">Channels whose words may be read in place.</param>
    /// <param name="last">The words of the other channels, readable 8 words past their end.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(in KernelTask task, int firstRow, int direct, ulong* last)
    {
        BitPlaneMatrix w = task.Weights;
        GroupLayout layout = w.Layout;
        int bits = w.Format.Bits, channels = task.Channels, groups = task.Groups, groupBlocks = layout.BlocksPerGroup, stride = layout.PaddedColumns;
        int firstBlock = layout.FirstBlock(task.FirstGroup), lastBlocks = layout.EndBlock(task.FirstGroup + groups - 1) - layout.FirstBlock(task.FirstGroup + groups - 1);
        int deferral = PairSums.Deferral(bits == 8 ? 4 : bits, task.Activations.DigitBits), rowStride = task.Stride;
        long groupStride = (long)task.Rows * rowStride, rowWords = w.RowWords;
        byte* activations = task.Packed + (long)(task.FirstRow + firstRow) * stride + (long)firstBlock * Block;
        ulong* firstChannel = task.Words + task.FirstChannel * rowWords;
        int* firstSum = task.SumsOf(task.FirstGroup, task.FirstRow + firstRow);
        Vector512<byte> orderAll = GaloisExpansion.Order(TBits.Value < 5 ? 8 / bits * bits : bits), orderOne = GaloisExpansion.Order(bits), nibble = Vector512.Create((byte)15);
        Vector512<byte> mask = Vector512.Create((byte)((1 << bits) - 1)), flip = Vector512.Create((byte)(w.Format.Signed ? 1 << (bits - 1) : 0));
        Vector512<int>* pending = stackalloc Vector512<int>[4];
        int** targets = stackalloc int*[4];
        int waiting = 0;
        for (int channel = 0; channel < channels; channel++)
        {
            ulong* words = (channel < direct ? firstChannel + channel * rowWords : last + (channel - direct) * rowWords) + (long)firstBlock * bits;
            byte* x = activations;
            int* sums = firstSum + channel;
            for (int group = 0; group < groups; group++, sums += groupStride)
            {
                Vector512<int> s0 = default, s1 = default, s2 = default, s3 = default;
                int blocks = group == groups - 1 ? lastBlocks : groupBlocks;
                while (blocks > 0)
                {
                    Vector512<short> p0 = default, p1 = default, p2 = default, p3 = default;
                    int count = Math.Min(blocks, deferral);
                    blocks -= count;
                    if (TBits.Value == 8)
                    {
                        Vector512<short> q0 = default, q1 = default, q2 = default, q3 = default;
                        for (; count > 0; count--, words += 8, x += Block)
                        {
                            Sse.Prefetch0((byte*)words + Ahead);
                            Vector512<byte> codes = GaloisExpansion.Transpose(Vector512.Load((byte*)words), orderOne) ^ flip;
                            Add(codes & nibble, x, stride, ref p0, ref p1, ref p2, ref p3);
                            Add((codes.AsUInt16() >>> 4).AsByte() & nibble, x, stride, ref q0, ref q1, ref q2, ref q3);
                        }

                        Widen(ref s0, q0, ref s1, q1, ref s2, q2, ref s3, q3, 16);
                    }
                    else
                    {
                        for (; Fields > 1 && count >= Fields; count -= Fields, words += Fields * bits)
                        {
                            Sse.Prefetch0((byte*)words + Ahead);
                            Vector512<byte> codes = GaloisExpansion.Transpose(Vector512.Load((byte*)words), orderAll);
                            for (int field = 0; field < Fields; field += 2, x += 2 * Block)
                            {
                                Add((codes & mask) ^ flip, x, stride, ref p0, ref p1, ref p2, ref p3);
                                codes = (codes.AsUInt16() >>> TBits.Value).AsByte();
                                Add((codes & mask) ^ flip, x + Block, stride, ref p0, ref p1, ref p2, ref p3);
                                codes = (codes.AsUInt16() >>> TBits.Value).AsByte();
                            }
                        }

                        for (; count > 0; count--, words += bits, x += Block)
                        {
                            Sse.Prefetch0((byte*)words + Ahead);
                            Vector512<byte> codes = GaloisExpansion.Transpose(Vector512.Load((byte*)words), orderOne);
                            Add((codes & mask) ^ flip, x, stride, ref p0, ref p1, ref p2, ref p3);
                        }
                    }

                    Widen(ref s0, p0, ref s1, p1, ref s2, p2, ref s3, p3, 1);
                }

                if (TRows.Value > 2)
                {
                    Vector128<int> four = GaloisExpansion.SumFour(s0, s1, s2, s3);
                    sums[0] = four[0];
                    sums[rowStride] = four[1];
                    sums[2 * rowStride] = four[2];
                    sums[3 * rowStride] = four[3];
                    continue;
                }

                if (groups > 1)
                {
                    sums[0] = Vector512.Sum(s0);
                    if (TRows.Value > 1)
                    {
                        sums[rowStride] = Vector512.Sum(s1);
                    }

                    continue;
                }

                // Adding up four vectors together takes little more than adding up one.
                pending[waiting] = s0;
                targets[waiting++] = sums;
                if (TRows.Value > 1)
                {
                    pending[waiting] = s1;
                    targets[waiting++] = sums + rowStride;
                }

                if (waiting == 4)
                {
                    waiting = 0;
                    Vector128<int> four = GaloisExpansion.SumFour(pending[0], pending[1], pending[2], pending[3]);
                    *targets[0] = four[0];
                    *targets[1] = four[1];
                    *targets[2] = four[2];
                    *targets[3] = four[3];
                }
            }
        }

        for (int i = 0; i < waiting; i++)
        {
            *targets[i] = Vector512.Sum(pending[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector512<byte> codes, byte* x, long stride, ref Vector512<short> p0, ref Vector512<short> p1, ref Vector512<short> p2, ref Vector512<short> p3)
    {
        p0 += Avx512BW.MultiplyAddAdjacent(codes, Vector512.Load((sbyte*)x));
        if (TRows.Value > 1)
        {
            p1 += Avx512BW.MultiplyAddAdjacent(codes, Vector512.Load((sbyte*)x + stride));
        }

        if (TRows.Value > 2)
        {
            p2 += Avx512BW.MultiplyAddAdjacent(codes, Vector512.Load((sbyte*)x + 2 * stride));
            p3 += Avx512BW.MultiplyAddAdjacent(codes, Vector512.Load((sbyte*)x + 3 * stride));
        }
    }

    // Pairs of 16-bit sums times the weight of their digit.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(
        ref Vector512<int> s0, Vector512<short> p0, ref Vector512<int> s1, Vector512<short> p1,
        ref Vector512<int> s2, Vector512<short> p2, ref Vector512<int> s3, Vector512<short> p3, short weight)
    {
        Vector512<short> weights = Vector512.Create(weight);
        s0 += Avx512BW.MultiplyAddAdjacent(p0, weights);
        if (TRows.Value > 1)
        {
            s1 += Avx512BW.MultiplyAddAdjacent(p1, weights);
        }

        if (TRows.Value > 2)
        {
            s2 += Avx512BW.MultiplyAddAdjacent(p2, weights);
            s3 += Avx512BW.MultiplyAddAdjacent(p3, weights);
        }
    }
}
