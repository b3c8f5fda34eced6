using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>
/// The loop of <see cref="GaloisRowKernel"/> for one activation row and short weight rows: four of them at a time, so that a register of
/// activations serves four products and four sums of lanes are added up together. (Long rows are read faster one after the other.)
/// </summary>
/// <typeparam name="TBits">Bits of a weight: 1, 2, 3, 4 or 8; 7 for 5, 6 and 7, which go one block at a time.</typeparam>
internal static unsafe class GaloisQuad<TBits>
    where TBits : struct, ICount
{
    private const int Block = GroupLayout.BlockSize;

    // Blocks per transposition.
    private static int Fields
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => TBits.Value < 5 ? 8 / TBits.Value : 1;
    }

    /// <summary>Computes the sums of a task for one row.</summary>
    /// <param name="task">The task; up to three sums past its channels are written within its stride.</param>
    /// <param name="row">The row, counted from the task's first.</param>
    /// <param name="direct">Channels whose words may be read in place.</param>
    /// <param name="last">The words of the other channels, readable 8 words past their end.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(in KernelTask task, int row, int direct, ulong* last)
    {
        BitPlaneMatrix w = task.Weights;
        GroupLayout layout = w.Layout;
        int bits = w.Format.Bits, channels = task.Channels, groups = task.Groups, groupBlocks = layout.BlocksPerGroup;
        int firstBlock = layout.FirstBlock(task.FirstGroup), lastBlocks = layout.EndBlock(task.FirstGroup + groups - 1) - layout.FirstBlock(task.FirstGroup + groups - 1);
        int deferral = PairSums.Deferral(bits == 8 ? 4 : bits, task.Activations.DigitBits);
        long groupStride = (long)task.Rows * task.Stride, rowBytes = w.RowWords * sizeof(ulong), skip = firstBlock * bits * sizeof(ulong);
        byte* activations = task.Packed + (long)(task.FirstRow + row) * layout.PaddedColumns + (long)firstBlock * Block;
        int* firstSum = task.SumsOf(task.FirstGroup, task.FirstRow + row);
        byte* inPlace = (byte*)(task.Words + task.FirstChannel * (long)w.RowWords) + skip, copied = (byte*)last + skip - direct * rowBytes;
        Vector512<byte> orderAll = GaloisExpansion.Order(TBits.Value < 5 ? 8 / bits * bits : bits), orderOne = GaloisExpansion.Order(bits), nibble = Vector512.Create((byte)15);
        Vector512<byte> mask = Vector512.Create((byte)((1 << bits) - 1)), flip = Vector512.Create((byte)(w.Format.Signed ? 1 << (bits - 1) : 0));
        for (int channel = 0; channel < channels; channel += 4)
        {
            // The last row stands in for those that are missing.
            byte* a = Channel(channel), b = Channel(Math.Min(channel + 1, channels - 1)), c = Channel(Math.Min(channel + 2, channels - 1)), d = Channel(Math.Min(channel + 3, channels - 1));
            // Memory gives its full rate to who asks early and in order: while four rows are read, the next four are asked for, line after line.
            byte* x = activations, next = a + 4 * rowBytes;
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
                        for (; count > 0; count--, a += Block, b += Block, c += Block, d += Block, x += Block, next += 4 * Block)
                        {
                            Prefetch(next);
                            Vector512<byte> ca = GaloisExpansion.Transpose(Vector512.Load(a), orderOne) ^ flip, cb = GaloisExpansion.Transpose(Vector512.Load(b), orderOne) ^ flip;
                            Vector512<byte> cc = GaloisExpansion.Transpose(Vector512.Load(c), orderOne) ^ flip, cd = GaloisExpansion.Transpose(Vector512.Load(d), orderOne) ^ flip;
                            Add(ca & nibble, cb & nibble, cc & nibble, cd & nibble, x, ref p0, ref p1, ref p2, ref p3);
                            Add(Shift(ca, 4) & nibble, Shift(cb, 4) & nibble, Shift(cc, 4) & nibble, Shift(cd, 4) & nibble, x, ref q0, ref q1, ref q2, ref q3);
                        }

                        Widen(q0, q1, q2, q3, 16, ref s0, ref s1, ref s2, ref s3);
                    }
                    else
                    {
                        for (; Fields > 1 && count >= Fields; count -= Fields, a += Fields * TBits.Value * 8, b += Fields * TBits.Value * 8, c += Fields * TBits.Value * 8, d += Fields * TBits.Value * 8, next += 4 * Fields * TBits.Value * 8)
                        {
                            Prefetch(next);
                            Vector512<byte> ca = GaloisExpansion.Transpose(Vector512.Load(a), orderAll), cb = GaloisExpansion.Transpose(Vector512.Load(b), orderAll), cc = GaloisExpansion.Transpose(Vector512.Load(c), orderAll), cd = GaloisExpansion.Transpose(Vector512.Load(d), orderAll);
                            for (int field = 0; field < Fields; field += 2, x += 2 * Block)
                            {
                                Add((ca & mask) ^ flip, (cb & mask) ^ flip, (cc & mask) ^ flip, (cd & mask) ^ flip, x, ref p0, ref p1, ref p2, ref p3);
                                (ca, cb, cc, cd) = (Shift(ca, TBits.Value), Shift(cb, TBits.Value), Shift(cc, TBits.Value), Shift(cd, TBits.Value));
                                Add((ca & mask) ^ flip, (cb & mask) ^ flip, (cc & mask) ^ flip, (cd & mask) ^ flip, x + Block, ref p0, ref p1, ref p2, ref p3);
                                if (Fields > 2)
                                {
                                    (ca, cb, cc, cd) = (Shift(ca, TBits.Value), Shift(cb, TBits.Value), Shift(cc, TBits.Value), Shift(cd, TBits.Value));
                                }
                            }
                        }

                        for (; count > 0; count--, a += bits * 8, b += bits * 8, c += bits * 8, d += bits * 8, x += Block, next += 4 * bits * 8)
                        {
                            Prefetch(next);
                            Vector512<byte> ca = GaloisExpansion.Transpose(Vector512.Load(a), orderOne), cb = GaloisExpansion.Transpose(Vector512.Load(b), orderOne);
                            Vector512<byte> cc = GaloisExpansion.Transpose(Vector512.Load(c), orderOne), cd = GaloisExpansion.Transpose(Vector512.Load(d), orderOne);
                            Add((ca & mask) ^ flip, (cb & mask) ^ flip, (cc & mask) ^ flip, (cd & mask) ^ flip, x, ref p0, ref p1, ref p2, ref p3);
                        }
                    }

                    Widen(p0, p1, p2, p3, 1, ref s0, ref s1, ref s2, ref s3);
                }

                GaloisExpansion.SumFour(s0, s1, s2, s3).Store(sums);
            }
        }

        byte* Channel(int channel) => (channel < direct ? inPlace : copied) + channel * rowBytes;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Shift(Vector512<byte> codes, int bits) => (codes.AsUInt16() >>> bits).AsByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(byte* next)
    {
        Sse.Prefetch0(next);
        Sse.Prefetch0(next + 64);
        Sse.Prefetch0(next + 128);
        Sse.Prefetch0(next + 192);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        Vector512<byte> a, Vector512<byte> b, Vector512<byte> c, Vector512<byte> d, byte* x,
        ref Vector512<short> p0, ref Vector512<short> p1, ref Vector512<short> p2, ref Vector512<short> p3)
    {
        Vector512<sbyte> v = Vector512.Load((sbyte*)x);
        p0 += Avx512BW.MultiplyAddAdjacent(a, v);
        p1 += Avx512BW.MultiplyAddAdjacent(b, v);
        p2 += Avx512BW.MultiplyAddAdjacent(c, v);
        p3 += Avx512BW.MultiplyAddAdjacent(d, v);
    }

    // Pairs of 16-bit sums times the weight of their digit.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(
        Vector512<short> p0, Vector512<short> p1, Vector512<short> p2, Vector512<short> p3, short weight,
        ref Vector512<int> s0, ref Vector512<int> s1, ref Vector512<int> s2, ref Vector512<int> s3)
    {
        Vector512<short> weights = Vector512.Create(weight);
        s0 += Avx512BW.MultiplyAddAdjacent(p0, weights);
        s1 += Avx512BW.MultiplyAddAdjacent(p1, weights);
        s2 += Avx512BW.MultiplyAddAdjacent(p2, weights);
        s3 += Avx512BW.MultiplyAddAdjacent(p3, weights);
    }
}
