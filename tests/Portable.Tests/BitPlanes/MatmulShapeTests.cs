using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Tests.Oracle;
using Xunit;

namespace Portable.Tests.BitPlanes;

public class MatmulShapeTests
{
    [Fact]
    public void UnsignedBytesFitUpTo33025Columns()
    {
        CodeFormat u8 = new(8, false);
        Assert.Equal(33_025, MatmulShape.MaximumGroup(u8, u8));
        _ = new MatmulShape(1, 1, new GroupLayout(33_025), u8, u8);
        ArgumentException e = Assert.Throws<ArgumentException>(() => new MatmulShape(1, 1, new GroupLayout(33_026), u8, u8));
        Assert.Contains("33025", e.Message, StringComparison.Ordinal);
        _ = new MatmulShape(1, 1, new GroupLayout(1_000_000, 128), u8, u8);
    }

    [Fact]
    public void NoSumOfTheLongestGroupOverflowsWithAnyZeroPoint()
    {
        for (int weights = 1; weights <= 8; weights++)
        {
            foreach (int activations in (int[])[1, 2, 3, 4, 5, 6, 7, 8, 16])
            {
                for (int signs = 0; signs < 4; signs++)
                {
                    CodeFormat w = new(weights, signs % 2 == 1), x = new(activations, signs / 2 == 1);
                    long k = MatmulShape.MaximumGroup(w, x);
                    long weight = w.Signed ? 1L << (weights - 1) : (1L << weights) - 1, digit = activations == 16 ? 255 : x.Signed ? 1L << (activations - 1) : (1L << activations) - 1;
                    Assert.True(k * weight * digit <= int.MaxValue);
                    Assert.True(k == int.MaxValue || (k + 1) * weight * digit > int.MaxValue);
                }
            }
        }
    }

    [Fact]
    public void ShortOutputsAndForeignLayoutsAreRefused()
    {
        MatmulOperands operands = new(MatmulCase.Create(1, 2, 3, 70, 0, 4, true, 8, true)), other = new(MatmulCase.Create(1, 2, 3, 71, 0, 4, true, 8, true));
        Assert.Throws<ArgumentException>(() => BitMatmul.Accumulate(operands.X, operands.Linear.Weights, new int[5], []));
        Assert.Throws<ArgumentException>(() => BitMatmul.Multiply(operands.X, operands.Linear, new float[5], 3));
        Assert.Throws<ArgumentException>(() => BitMatmul.Multiply(operands.X, operands.Linear, new float[6], 2));
        Assert.Throws<ArgumentException>(() => BitMatmul.Multiply(operands.X, other.Linear, new float[6], 3));
    }
}
