using System.Runtime.Intrinsics;
using FsCheck.Xunit;
using Portable.Reference.Arithmetic;

namespace Portable.Tests.Arithmetic;

public class ContractTests
{
    [Property(MaxTest = 60)]
    public void VectorFormsHaveTheBitsOfTheScalarDefinitions(int seed)
    {
        float[] x = AwkwardValues.Create(64, seed), positive = [.. AwkwardValues.Create(64, seed, 60).Select(v => MathF.Max(MathF.Abs(v), 1e-25f))];
        for (int i = 0; i < x.Length; i += 8)
        {
            Vector256<float> v = Vector256.Create<float>(x.AsSpan(i, 8)), p = Vector256.Create<float>(positive.AsSpan(i, 8));
            Equal(VectorContract.Canonical(v), j => Contract.Canonical(x[i + j]));
            Equal(VectorContract.RoundHalfAway(v), j => Contract.RoundHalfAway(x[i + j]));
            Equal(VectorContract.Exp(v), j => Contract.Exp(x[i + j]));
            Equal(VectorContract.ExpBelow60(-Vector256.Abs(v)), j => Contract.Exp(-MathF.Abs(x[i + j])));
            Equal(VectorContract.Reciprocal(p), j => Contract.Reciprocal(positive[i + j]));
            Equal(VectorContract.ReciprocalSquareRoot(p), j => Contract.ReciprocalSquareRoot(positive[i + j]));
            Equal(VectorContract.Sigmoid(v), j => Contract.Reciprocal(1f + Contract.Exp(-x[i + j])));
            Equal(VectorContract.Tanh(v), j => Contract.Tanh(x[i + j]));
            Equal(VectorContract.NormalDistribution(v), j => Contract.NormalDistribution(x[i + j]));
            Equal(VectorContract.Softcap(v, 50f, 1f / 50f), j => Contract.Softcap(x[i + j], 50f, 1f / 50f));
        }
    }

    /// <summary>Every 2^k neighbourhood of the stated domain, against double precision.</summary>
    [Fact]
    public void ReciprocalIsWithinTwoUlpAndReciprocalSquareRootWithinThree()
    {
        Random random = new(1);
        for (int i = 0; i < 40000; i++)
        {
            float x = (float)((1 + random.NextDouble()) * Math.Pow(2, random.Next(-100, 100)));
            Assert.InRange(UlpError(Contract.Reciprocal(x), 1.0 / x), 0, 2.0);
            Assert.InRange(UlpError(Contract.ReciprocalSquareRoot(x), 1 / Math.Sqrt(x)), 0, 3.0);
        }
    }

    [Fact]
    public void ExpIsWithinFourUlpOfTheRealOneAndZeroBelowTwoToMinusSixty()
    {
        for (float x = -41f; x < 60f; x += 0.00317f)
        {
            Assert.InRange(UlpError(Contract.Exp(x), Math.Exp(x)), 0, 4.0);
        }

        Assert.Equal(0u, BitConverter.SingleToUInt32Bits(Contract.Exp(-41.9f)));
        Assert.Equal(1f, Contract.Exp(0f));
        Assert.Equal(Contract.Exp(60f), Contract.Exp(1e30f));
        Assert.Equal(Vector256<float>.Zero, VectorContract.ExpBelow60(Vector256.Create(float.NegativeInfinity)));
    }

    [Fact]
    public void TanhIsWithinFourUlpAndOddAndTheNormalDistributionWithinTwoMillionths()
    {
        for (float x = 0.001f; x < 30f; x += 0.00317f)
        {
            Assert.InRange(UlpError(Contract.Tanh(x), Math.Tanh(x)), 0, 4.0);
            Assert.Equal(-Contract.Tanh(x), Contract.Tanh(-x));
            Assert.Equal(1f, Contract.NormalDistribution(x) + Contract.NormalDistribution(-x), 2e-7f);
        }

        // Φ at points from a table of the distribution.
        foreach ((float x, double phi) in new[] { (0f, 0.5), (0.5f, 0.6914624612740131), (1f, 0.8413447460685429), (-1f, 0.15865525393145707), (2f, 0.9772498680518208), (-3f, 0.0013498980316300933) })
        {
            Assert.Equal(phi, Contract.NormalDistribution(x), 2e-7);
        }

        Assert.Equal(0f, Contract.Tanh(0f));
        Assert.Equal(1f, Contract.Tanh(1e30f));
    }

    [Fact]
    public void RoundHalfAwayFollowsItsFormulaWhereLibrariesDiffer()
    {
        Assert.Equal(1f, Contract.RoundHalfAway(0.49999997f));
        Assert.Equal(-3f, Contract.RoundHalfAway(-2.5f));
        Assert.Equal(2f, Contract.RoundHalfAway(1.5f));
    }

    [Property(MaxTest = 100)]
    public void OrderedReductionsHaveTheBitsOfTheDefinitionForEveryLength(int seed, ushort length)
    {
        int k = length % 400;
        float[] a = AwkwardValues.Activations(k, seed), b = AwkwardValues.Create(k, seed + 1, 8), ones = new float[k];
        Array.Fill(ones, 1f);
        Assert.Equal(BitConverter.SingleToUInt32Bits(Contract.OrderedDot(a, b)), BitConverter.SingleToUInt32Bits(Ordered.Dot(a, b)));
        Assert.Equal(BitConverter.SingleToUInt32Bits(Contract.OrderedDot(a, ones)), BitConverter.SingleToUInt32Bits(Ordered.Sum(a)));
    }

    private static void Equal(Vector256<float> actual, Func<int, float> expected)
    {
        for (int j = 0; j < 8; j++)
        {
            Assert.Equal(BitConverter.SingleToUInt32Bits(expected(j)), BitConverter.SingleToUInt32Bits(actual[j]));
        }
    }

    private static double UlpError(float value, double exact) => Math.Abs(value - exact) / ((double)MathF.BitIncrement(MathF.Abs((float)exact)) - MathF.Abs((float)exact));
}
