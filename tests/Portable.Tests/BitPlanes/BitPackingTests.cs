using FsCheck.Xunit;
using Portable.Reference.BitPlanes;
using Xunit;

namespace Portable.Tests.BitPlanes;

public class BitPackingTests
{
    /// <summary>Rows of up to hundreds of registers, so that counts of bits are carried over.</summary>
    [Property(MaxTest = 40)]
    public void SumsCountedFromPlanesAreThoseOfTheCodes(int seed, ushort columns, ushort group, byte bits, bool signed, bool full)
    {
        Random random = new(seed);
        CodeFormat format = new(1 + bits % 8, signed);
        GroupLayout layout = new(1 + columns % 20000, group % 3 == 0 ? 0 : 64 + group % 5000);
        short[] codes = new short[layout.Columns];
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = full ? (short)format.Maximum : (short)random.Next(format.Minimum, format.Maximum + 1);
        }

        BitPlaneMatrix planes = BitPacking.Pack(codes, 1, layout, format);
        int[] sums = new int[layout.Groups];
        RowSums.Count(planes.Words.Span, layout, format, sums);
        Assert.Equal(Enumerable.Range(0, layout.Groups).Select(g => codes.AsSpan(layout.FirstColumn(g), layout.ColumnsIn(g)).ToArray().Sum(c => (int)c)), sums);
    }

    [Property]
    public void PackAndUnpackAreInverseAndSumRows(int seed, byte rows, ushort columns, ushort group, byte bits, bool signed)
    {
        Random random = new(seed);
        CodeFormat format = new(1 + bits % 8, signed);
        GroupLayout layout = new(1 + columns % 400, group % 3 == 0 ? 0 : 1 + group % 150);
        int n = 1 + rows % 9, k = layout.Columns;
        short[] codes = new short[n * k], back = new short[n * k];
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = (short)random.Next(format.Minimum, format.Maximum + 1);
        }

        BitPlaneMatrix planes = BitPacking.Pack(codes, n, layout, format);
        BitPacking.Unpack(planes, back);
        Assert.Equal(codes, back);
        Assert.Equal(planes.RowSums, new BitPlaneMatrix(n, layout, format, planes.Words).RowSums);
        for (int row = 0; row < n; row++)
        {
            for (int g = 0; g < layout.Groups; g++)
            {
                int first = layout.FirstColumn(g), count = layout.ColumnsIn(g), sum = 0;
                for (int i = 0; i < count; i++)
                {
                    sum += codes[row * k + first + i];
                }

                Assert.Equal(sum, planes.RowSums[row * layout.Groups + g]);
            }
        }
    }

    [Property]
    public void EveryBitIsWhereTheLayoutSaysAndPaddingIsZero(int seed, ushort columns, byte bits)
    {
        Random random = new(seed);
        CodeFormat format = new(1 + bits % 8, signed: false);
        GroupLayout layout = new(1 + columns % 200, 70);
        short[] codes = new short[layout.Columns];
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = (short)random.Next(format.Maximum + 1);
        }

        BitPlaneMatrix planes = BitPacking.Pack(codes, 1, layout, format);
        int set = 0;
        for (int k = 0; k < layout.Columns; k++)
        {
            int group = k / layout.GroupSize, position = group * ((layout.GroupSize + 63) / 64) * 64 + k % layout.GroupSize;
            for (int plane = 0; plane < format.Bits; plane++)
            {
                ulong word = planes.Words.Span[position / 64 * format.Bits + plane];
                Assert.Equal((codes[k] >> plane) & 1, (int)((word >> (position % 64)) & 1));
                set += (codes[k] >> plane) & 1;
            }
        }

        Assert.Equal(set, planes.Words.ToArray().Sum(word => Convert.ToString((long)word, 2).Count(bit => bit == '1')));
    }

    [Fact]
    public void ACodeOutsideTheFormatIsRefused()
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => BitPacking.Pack([0, 4], 1, new GroupLayout(2), new CodeFormat(2, false)));
        Assert.Contains("4", e.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => BitPacking.Pack([0, 1, 2], 2, new GroupLayout(2), new CodeFormat(2, false)));
    }
}
