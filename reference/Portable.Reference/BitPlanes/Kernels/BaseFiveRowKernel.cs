using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Portable.Reference.Threading;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>
/// Few activation rows (decoding) and five-level weights in base five, 2.33 bits a weight: every weight row streams past once, 64 triples
/// at a time; three tables give the codes of their first, second and third columns, which meet activations in that order.
/// </summary>
internal sealed unsafe class BaseFiveRowKernel : MatmulKernel
{
    private const int Register = 64;

    public override string Name => "avx512-vbmi-base5";

    public override string Requires => "AVX-512 BW and AVX-512 VBMI";

    public override bool IsSupported => BaseFiveUnits.IsSupported;

    public override KernelTile Tile => new(1, 1);

    public override bool TakesWholeRows => true;

    public override bool ReadsBaseFive => true;

    public override bool Serves(CodeFormat weights, CodeFormat digit) => weights == BaseFive.Format;

    public override int ActivationOffset(CodeFormat digit) => digit.Signed ? 0 : 1 << (digit.Bits - 1);

    public override double Cost(MatmulShape shape)
    {
        int rows = shape.Rows * (shape.Activations.Bits == 16 ? 2 : 1), passes = (rows + 3) / 4;
        return shape.Channels * ((Units(shape.Layout) * ((passes * 4.0) + (rows * 3.0))) + (rows * 15.0)) * KernelRows.NanosecondsPerCycle;
    }

    public override long PackedRowBytes(GroupLayout layout, CodeFormat digit) => (long)Units(layout) * BaseFiveUnits.UnitColumns;

    /// <summary>Columns 192u + 3i + j of unit u stand at 192u + 64j + i; behind the last column are zeros, for those meet what follows the row.</summary>
    public override void Pack(in ActivationRows rows, int firstRow, byte* packed)
    {
        byte* source = rows.Row(firstRow);
        byte offset = (byte)ActivationOffset(rows.DigitFormat(firstRow));
        int columns = rows.Layout.Columns, whole = columns / BaseFiveUnits.UnitColumns;
        for (int unit = 0; unit < whole; unit++, source += BaseFiveUnits.UnitColumns, packed += BaseFiveUnits.UnitColumns)
        {
            Part(source, offset, packed);
        }

        int rest = columns - (whole * BaseFiveUnits.UnitColumns);
        if (rest > 0)
        {
            byte* last = stackalloc byte[BaseFiveUnits.UnitColumns];
            new Span<byte>(last, BaseFiveUnits.UnitColumns).Fill(offset);
            Buffer.MemoryCopy(source, last, rest, rest);
            Part(last, offset, packed);
        }
    }

    public override void Accumulate(in KernelTask task)
    {
        byte* last = CopyLast(task, out int direct);
        for (int row = 0; row < task.Rows;)
        {
            int count = task.Rows - row;
            if (count >= 4)
            {
                BaseFiveLoop<Four>.Run(task, row, direct, last);
                row += 4;
            }
            else if (count >= 2)
            {
                BaseFiveLoop<Two>.Run(task, row, direct, last);
                row += 2;
            }
            else
            {
                BaseFiveLoop<One>.Run(task, row++, direct, last);
            }
        }
    }

    /// <summary>Registers of a row.</summary>
    internal static int Units(GroupLayout layout) => (layout.Columns + BaseFiveUnits.UnitColumns - 1) / BaseFiveUnits.UnitColumns;

    private static void Part(byte* source, byte offset, byte* packed)
    {
        byte[] orders = BaseFiveTables.Shared.Columns;
        Vector512<byte> shift = Vector512.Create(offset), a = Vector512.Load(source) - shift, b = Vector512.Load(source + Register) - shift, c = Vector512.Load(source + (2 * Register)) - shift;
        for (int column = 0; column < BaseFive.TripleColumns; column++)
        {
            Vector512<byte> ofTwo = Avx512Vbmi.PermuteVar64x8x2(a, Vector512.Create(orders, column * Register), b);
            Avx512Vbmi.PermuteVar64x8x2(ofTwo, Vector512.Create(orders, (BaseFive.TripleColumns + column) * Register), c).Store(packed + (column * Register));
        }
    }

    // Registers are loaded whole: channels for which that could leave the matrix are read from a copy with room after it.
    private static byte* CopyLast(in KernelTask task, out int direct)
    {
        BaseFiveRows rows = task.Weights.BaseFive!;
        int rowBytes = rows.RowBytes;
        long span = ((Units(task.Weights.Layout) - 1) * BaseFiveUnits.UnitBytes) + Register, last = ((long)rows.Rows * rowBytes) - span;
        direct = last < 0 ? 0 : (int)Math.Clamp((last / rowBytes) + 1 - task.FirstChannel, 0, task.Channels);
        long count = (long)(task.Channels - direct) * rowBytes;
        byte* copy = Scratch.Get<byte>(Scratch.Weights, count + Register);
        Buffer.MemoryCopy(task.BaseFive + ((long)(task.FirstChannel + direct) * rowBytes), copy, count, count);
        return copy;
    }
}

/// <summary>The loop of <see cref="BaseFiveRowKernel"/>: some weight rows against one, two or four activation rows.</summary>
/// <typeparam name="TRows">Activation rows.</typeparam>
internal static unsafe class BaseFiveLoop<TRows>
    where TRows : struct, ICount
{
    private const int Register = 64, Ahead = 2048;

    // Three products of pairs are at most 3 · 2 · 4 · 128 each way: so many of them fit 16 bits.
    private const int UnitsPerSum = 10;

    /// <summary>Computes the sums of a task for some rows.</summary>
    /// <param name="task">The task.</param>
    /// <param name="firstRow">First of the rows, counted from the task's.</param>
    /// <param name="direct">Channels whose bytes may be read in place.</param>
    /// <param name="last">The bytes of the other channels, readable a register past their end.</param>
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(in KernelTask task, int firstRow, int direct, byte* last)
    {
        BaseFiveTables tables = BaseFiveTables.Shared;
        int units = BaseFiveRowKernel.Units(task.Weights.Layout), channels = task.Channels, rowStride = task.Stride;
        long stride = (long)units * BaseFiveUnits.UnitColumns, rowBytes = task.Weights.BaseFive!.RowBytes;
        byte* activations = task.Packed + ((task.FirstRow + firstRow) * stride), first = task.BaseFive + (task.FirstChannel * rowBytes);
        int* sums = task.SumsOf(task.FirstGroup, task.FirstRow + firstRow);
        Vector512<byte> spread = Vector512.Create(tables.Spread), shifts = Vector512.Create(tables.Shifts);
        Vector512<byte> a0 = Vector512.Create(tables.Codes, 0), a1 = Vector512.Create(tables.Codes, 64), b0 = Vector512.Create(tables.Codes, 128);
        Vector512<byte> b1 = Vector512.Create(tables.Codes, 192), c0 = Vector512.Create(tables.Codes, 256), c1 = Vector512.Create(tables.Codes, 320);
        Vector512<int>* pending = stackalloc Vector512<int>[4];
        int** targets = stackalloc int*[4];
        int waiting = 0;
        for (int channel = 0; channel < channels; channel++, sums++)
        {
            byte* w = channel < direct ? first + (channel * rowBytes) : last + ((channel - direct) * rowBytes), x = activations;
            Vector512<int> s0 = default, s1 = default, s2 = default, s3 = default;
            for (int left = units; left > 0;)
            {
                Vector512<short> p0 = default, p1 = default, p2 = default, p3 = default;
                int count = Math.Min(left, UnitsPerSum);
                left -= count;
                for (; count > 0; count--, w += BaseFiveUnits.UnitBytes, x += BaseFiveUnits.UnitColumns)
                {
                    Sse.Prefetch0(w + Ahead);
                    Vector512<byte> triples = BaseFiveUnits.Triples(Vector512.Load(w), spread, shifts);
                    Vector512<byte> a = Avx512Vbmi.PermuteVar64x8x2(a0, triples, a1), b = Avx512Vbmi.PermuteVar64x8x2(b0, triples, b1), c = Avx512Vbmi.PermuteVar64x8x2(c0, triples, c1);
                    p0 += Products(a, b, c, x);
                    if (TRows.Value > 1)
                    {
                        p1 += Products(a, b, c, x + stride);
                    }

                    if (TRows.Value > 2)
                    {
                        p2 += Products(a, b, c, x + (2 * stride));
                        p3 += Products(a, b, c, x + (3 * stride));
                    }
                }

                s0 += Avx512BW.MultiplyAddAdjacent(p0, Vector512<short>.One);
                if (TRows.Value > 1)
                {
                    s1 += Avx512BW.MultiplyAddAdjacent(p1, Vector512<short>.One);
                }

                if (TRows.Value > 2)
                {
                    s2 += Avx512BW.MultiplyAddAdjacent(p2, Vector512<short>.One);
                    s3 += Avx512BW.MultiplyAddAdjacent(p3, Vector512<short>.One);
                }
            }

            if (TRows.Value > 2)
            {
                Vector128<int> rows = GaloisExpansion.SumFour(s0, s1, s2, s3);
                (sums[0], sums[rowStride], sums[2 * rowStride], sums[3 * rowStride]) = (rows[0], rows[1], rows[2], rows[3]);
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
                (*targets[0], *targets[1], *targets[2], *targets[3]) = (four[0], four[1], four[2], four[3]);
            }
        }

        for (int i = 0; i < waiting; i++)
        {
            *targets[i] = Vector512.Sum(pending[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<short> Products(Vector512<byte> a, Vector512<byte> b, Vector512<byte> c, byte* x) =>
        Avx512BW.MultiplyAddAdjacent(a, Vector512.Load((sbyte*)x)) + Avx512BW.MultiplyAddAdjacent(b, Vector512.Load((sbyte*)x + Register))
            + Avx512BW.MultiplyAddAdjacent(c, Vector512.Load((sbyte*)x + (2 * Register)));
}
