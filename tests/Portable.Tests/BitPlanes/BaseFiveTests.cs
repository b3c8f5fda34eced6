using FsCheck.Xunit;
using Portable.Reference.BitPlanes;
using Portable.Tests.Oracle;
using Xunit;

namespace Portable.Tests.BitPlanes;

/// <summary>Codes in base five, against arithmetic on their digits.</summary>
public class BaseFiveTests
{
    [Property(MaxTest = 60)]
    public void PlanesAndSumsAreThoseOfTheCodes(int seed, byte rows, ushort columns)
    {
        MatmulCase c = MatmulCase.Create(seed, 1, 1 + rows % 9, 1 + columns % 1000, 0, 3, false, 8, true, MatmulCase.Fill.Balanced);
        BitPlaneMatrix planes = new MatmulOperands(c).Linear.Weights, packed = BaseFiveRows.Pack(planes);
        Assert.Equal(planes.Words.ToArray(), packed.Words.ToArray());
        Assert.Equal(planes.RowSums, packed.RowSums);
        Assert.Equal(c.W, Codes(packed));
        Assert.Equal(planes.ReadRows(planes.Rows - 1, 1, []).ToArray(), packed.ReadRows(planes.Rows - 1, 1, new ulong[planes.RowWords]).ToArray());
    }

    [Property(MaxTest = 200)]
    public void WhatIsNoTripleIsSeen(int seed, ushort columns, bool spoilt)
    {
        Random random = new(seed);
        int k = 1 + columns % 700, triples = (k + 2) / 3, rowBytes = (int)BaseFive.RowBytes(k);
        Assert.Equal(((7 * triples) + 7) / 8, rowBytes);
        byte[] row = new byte[rowBytes + BaseFive.Slack];
        random.NextBytes(row.AsSpan(rowBytes));
        int wrong = spoilt ? random.Next(triples) : -1;
        for (int t = 0; t < triples; t++)
        {
            int inTriple = Math.Min(3, k - (3 * t)), count = inTriple switch { 1 => 5, 2 => 25, _ => 125 };
            Put(row, 7 * t, t == wrong ? random.Next(count, 128) : random.Next(count));
        }

        Assert.Equal(!spoilt, BaseFive.Unpack(row, rowBytes, new RowBlocks(new GroupLayout(k)), new ulong[3 * ((k + 63) / 64)]));
        if (BaseFiveUnits.IsSupported)
        {
            Assert.Equal(spoilt ? 0 : -1, BaseFiveUnits.FirstInvalid(row, 1, rowBytes, k));
        }

        // Bits behind the last triple belong to nothing.
        if (7 * triples % 8 != 0 && !spoilt)
        {
            row[rowBytes - 1] |= 0x80;
            Assert.False(BaseFive.Unpack(row, rowBytes, new RowBlocks(new GroupLayout(k)), new ulong[3 * ((k + 63) / 64)]));
            Assert.False(BaseFiveUnits.IsSupported && BaseFiveUnits.FirstInvalid(row, 1, rowBytes, k) < 0);
        }
    }

    [Property(MaxTest = 200)]
    public void TheFirstRowThatIsNoneIsTheFirst(int seed, ushort columns, byte rows, byte slack)
    {
        Random random = new(seed);
        int k = 1 + columns % 700, n = 1 + rows % 12, rowBytes = (int)BaseFive.RowBytes(k), triples = (k + 2) / 3, expected = -1;
        List<byte> all = [];
        for (int i = 0; i < n; i++)
        {
            byte[] row = new byte[rowBytes];
            int wrong = random.Next(8) == 0 ? random.Next(triples) : -1;
            for (int t = 0; t < triples; t++)
            {
                int count = Math.Min(3, k - (3 * t)) switch { 1 => 5, 2 => 25, _ => 125 };
                Put(row, 7 * t, t == wrong ? random.Next(count, 128) : random.Next(count));
            }

            expected = wrong >= 0 && expected < 0 ? i : expected;
            all.AddRange(row);
        }

        // What lies behind the rows belongs to others.
        byte[] behind = new byte[slack % 80];
        random.NextBytes(behind);
        Assert.True(!BaseFiveUnits.IsSupported || expected == BaseFiveUnits.FirstInvalid([.. all, .. behind], n, rowBytes, k));
    }

    [Theory]
    [InlineData(64)]
    [InlineData(128)]
    [InlineData(192)]
    [InlineData(1024)]
    [InlineData(100)]
    public void WholeBlocksArePackedTheSameAndNoOtherCodes(int k)
    {
        MatmulCase c = MatmulCase.Create(k, 1, 3, k, 0, 3, false, 8, true, MatmulCase.Fill.Balanced);
        Assert.Equal(c.W, Codes(BaseFiveRows.Pack(new MatmulOperands(c).Linear.Weights)));
        c.W[k - 1] = 5;
        Assert.Throws<ArgumentException>(() => BaseFiveRows.Pack(new MatmulOperands(c).Linear.Weights));
        c.W[k - 1] = 6;
        Assert.Throws<ArgumentException>(() => BaseFiveRows.Pack(new MatmulOperands(c).Linear.Weights));
    }

    [Fact]
    public void GroupsAndOtherLengthsAreRefused()
    {
        Assert.Throws<ArgumentException>(() => new BaseFiveRows(2, new GroupLayout(128, 64), new byte[2 * 38]));
        Assert.Throws<ArgumentException>(() => new BaseFiveRows(2, new GroupLayout(128), new byte[75]));
        Assert.Equal(38, new BaseFiveRows(2, new GroupLayout(128), new byte[76]).RowBytes);
    }

    private static int[] Codes(BitPlaneMatrix matrix)
    {
        short[] codes = new short[matrix.Rows * matrix.Columns];
        BitPacking.Unpack(matrix, codes);
        return Array.ConvertAll(codes, code => (int)code);
    }

    private static void Put(byte[] row, int bit, int value)
    {
        for (int i = 0; i < 7; i++)
        {
            row[(bit + i) / 8] |= (byte)(((value >> i) & 1) << ((bit + i) % 8));
        }
    }
}
