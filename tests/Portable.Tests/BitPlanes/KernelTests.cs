using FsCheck.Xunit;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Reference.Threading;
using Portable.Tests.Oracle;
using Xunit;

namespace Portable.Tests.BitPlanes;

/// <summary>The contract over every row of the kernel table that runs here.</summary>
public class KernelTests
{
    private static readonly int[] Lengths = [1, 2, 7, 8, 63, 64, 65, 127, 128, 129, 191, 192, 255, 257, 511, 513, 640, 1025];
    private static readonly int[] GroupSizes = [0, 0, 0, 1, 32, 64, 100, 128, 130];

    public static TheoryData<string> Names => [.. KernelTable.Supported.Select(k => k.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void EveryWidthAndSign(string name)
    {
        MatmulKernel kernel = Kernel(name);
        int seed = 1;
        foreach (int activationBits in (int[])[1, 2, 3, 4, 5, 6, 7, 8, 16])
        {
            for (int weightBits = 1; weightBits <= 8; weightBits++)
            {
                for (int signs = 0; signs < 4; signs++)
                {
                    int k = 1 + seed * 37 % 150;
                    KernelContract.Check(kernel, MatmulCase.Create(seed, 1 + seed % 6, 1 + seed % 9, k, seed % 5 == 0 ? 50 : 0, weightBits, signs % 2 == 1, activationBits, signs > 1));
                    seed++;
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void LengthsAroundEveryBoundary(string name)
    {
        MatmulKernel kernel = Kernel(name);
        for (int i = 0; i < Lengths.Length; i++)
        {
            for (int group = 0; group < GroupSizes.Length; group += 3)
            {
                int size = GroupSizes[(i + group) % GroupSizes.Length];
                KernelContract.Check(kernel, MatmulCase.Create(i, 1 + i % 5, 1 + i * 7 % 33, Lengths[i], size, 1 + i % 8, i % 2 == 0, 1 + (i * 5 + group) % 8, i % 3 == 0));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void ChannelsAndRowsAroundEveryTile(string name)
    {
        MatmulKernel kernel = Kernel(name);
        foreach (int n in (int[])[1, 3, 4, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130])
        {
            KernelContract.Check(kernel, MatmulCase.Create(n, 1 + n % 9, n, 70, 0, 1 + n % 8, n % 2 == 0, 1 + n % 8, n % 3 == 0));
        }

        foreach (int m in (int[])[1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 33])
        {
            KernelContract.Check(kernel, MatmulCase.Create(m, m, 19, 130, m % 2 * 64, 1 + m % 8, m % 2 == 0, m % 4 == 0 ? 16 : 1 + m % 8, m % 3 == 0));
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void ExtremesOfEveryWidth(string name)
    {
        MatmulKernel kernel = Kernel(name);
        foreach (MatmulCase.Fill fill in (MatmulCase.Fill[])[MatmulCase.Fill.Minimum, MatmulCase.Fill.Maximum, MatmulCase.Fill.MinimumTimesMaximum])
        {
            for (int bits = 1; bits <= 8; bits++)
            {
                for (int signs = 0; signs < 4; signs++)
                {
                    KernelContract.Check(kernel, MatmulCase.Create(bits, 1, 2, 1500, 0, bits, signs % 2 == 1, signs == 2 ? 8 : 9 - bits, signs > 1, fill));
                    KernelContract.Check(kernel, MatmulCase.Create(bits, 1, 2, 300, 0, bits, signs % 2 == 1, 8, signs > 1, fill));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void TheLongestGroupHolds(string name)
    {
        MatmulKernel kernel = Kernel(name);
        foreach ((CodeFormat w, CodeFormat x) in ((CodeFormat, CodeFormat)[])[(new(8, false), new(8, false)), (new(8, true), new(8, false)), (new(7, false), new(8, true)), (new(8, false), new(16, true))])
        {
            int k = Math.Min(MatmulShape.MaximumGroup(w, x), 70_000);
            KernelContract.Check(kernel, MatmulCase.Create(k, 1, 1, k, 0, w.Bits, w.Signed, x.Bits, x.Signed, MatmulCase.Fill.Maximum));
            KernelContract.Check(kernel, MatmulCase.Create(k, 1, 1, k, 0, w.Bits, w.Signed, x.Bits, x.Signed, MatmulCase.Fill.Minimum));
        }
    }

    /// <summary>Rows of 1,024 bytes and of a block more: short ones may be read several at a time.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void RowsAroundAPage(string name)
    {
        MatmulKernel kernel = Kernel(name);
        for (int bits = 1; bits <= 8; bits++)
        {
            foreach (int k in (int[])[128 / bits * 64, (128 / bits * 64) + 1])
            {
                KernelContract.Check(kernel, MatmulCase.Create(bits, 1 + (bits % 2), 1 + (k % 5) + bits, k, bits % 3 == 0 ? 128 : 0, bits, bits % 2 == 0, bits % 4 == 0 ? 16 : 8, true));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void FiveLevelWeights(string name)
    {
        MatmulKernel kernel = Kernel(name);
        KernelContract.Check(kernel, MatmulCase.Create(5, 3, 20, 200, 64, 3, false, 8, true, MatmulCase.Fill.Balanced));
        int seed = 1;
        foreach (int k in (int[])[1, 2, 3, 5, 64, 150, 191, 192, 193, 194, 384, 1919, 1920, 2113])
        {
            int bits = seed % 10 == 9 ? 16 : 1 + seed % 10 % 8;
            KernelContract.Check(kernel, MatmulCase.Create(seed, 1 + seed % 7, 1 + seed * 7 % 70, k, 0, 3, false, bits, seed % 3 != 0, MatmulCase.Fill.Balanced));
            seed++;
        }

        // The largest products, for as long as sums of 16 bits may wait.
        KernelContract.Check(kernel, MatmulCase.Create(1, 1, 5, 2500, 0, 3, false, 8, true, MatmulCase.Fill.BalancedMaximum));
        KernelContract.Check(kernel, MatmulCase.Create(2, 5, 5, 2500, 0, 3, false, 16, true, MatmulCase.Fill.BalancedMaximum));
        KernelContract.Check(kernel, MatmulCase.Create(3, 2, 66, 576, 0, 3, false, 8, false, MatmulCase.Fill.BalancedMaximum));
    }

    [Property(MaxTest = 60)]
    public void EveryKernelAgreesWithTheOracleOnAnyShape(int seed, byte m, byte n, ushort k, ushort group, byte widths, byte signs)
    {
        int columns = 1 + k % 300, activation = 1 + widths / 8 % 9;
        MatmulCase c = MatmulCase.Create(seed, 1 + m % 7, 1 + n % 40, columns, group % 4 == 0 ? 0 : 1 + group % 200, 1 + widths % 8, signs % 2 == 1, activation == 9 ? 16 : activation, signs / 2 % 2 == 1);
        foreach (MatmulKernel kernel in KernelTable.Supported)
        {
            KernelContract.Check(kernel, c);
        }
    }

    [Property(MaxTest = 60)]
    public void LayersOfOneInputAreAsEachAlone(int seed, byte m, byte n, byte bits, byte layers)
    {
        int tokens = 1 + m % 5, activationBits = bits % 9 == 8 ? 16 : 1 + bits % 9;
        MatmulOperands[] operands = [.. Enumerable.Range(0, 1 + layers % 4).Select(i => new MatmulOperands(
            MatmulCase.Create(seed + i, tokens, 1 + (n * (i + 1)) % 150, 200, 64, 1 + (bits + i * layers) % 8, (seed + i) % 2 == 0, activationBits, activationBits == 16)))];
        int width = operands.Sum(o => o.Linear.OutputFeatures), stride = width + layers % 3, column = 0;
        float[] together = new float[tokens * stride], alone = new float[tokens * stride];
        BitMatmul.Multiply(operands[0].X, [.. operands.Select(o => o.Linear)], together, stride);
        foreach (MatmulOperands o in operands)
        {
            BitMatmul.Multiply(operands[0].X, o.Linear, alone.AsSpan(column), stride);
            column += o.Linear.OutputFeatures;
        }

        Assert.Equal(Array.ConvertAll(alone, BitConverter.SingleToInt32Bits), Array.ConvertAll(together, BitConverter.SingleToInt32Bits));
    }

    [Property(MaxTest = 20)]
    public void ThreadsDoNotChangeABit(int seed, byte m, byte n, byte widths)
    {
        MatmulCase c = MatmulCase.Create(seed, 1 + m % 40, 64 + n, 130, 64, 1 + widths % 8, seed % 2 == 0, 1 + widths / 8 % 8, true);
        MatmulOperands operands = new(c);
        float[] threaded = new float[c.M * c.N], serial = new float[c.M * c.N];
        BitMatmul.Multiply(operands.X, operands.Linear, threaded, c.N);

        // Inside a piece of work the pool runs everything on the one thread.
        WorkerPool.Run(2, piece =>
        {
            if (piece == 0)
            {
                BitMatmul.Multiply(operands.X, operands.Linear, serial, c.N);
            }
        });
        Assert.Equal(Array.ConvertAll(threaded, BitConverter.SingleToInt32Bits), Array.ConvertAll(serial, BitConverter.SingleToInt32Bits));
    }

    private static MatmulKernel Kernel(string name) => KernelTable.Rows.Single(k => k.Name == name);
}
