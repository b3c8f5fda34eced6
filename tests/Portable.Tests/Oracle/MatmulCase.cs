namespace Portable.Tests.Oracle;

/// <summary>A matmul in plain arrays: shape, widths and everything that the formula names.</summary>
public sealed class MatmulCase
{
    public required int M { get; init; }
    public required int N { get; init; }
    public required int K { get; init; }
    public required int GroupSize { get; init; }
    public required int WeightBits { get; init; }
    public required bool WeightSigned { get; init; }
    public required int ActivationBits { get; init; }
    public required bool ActivationSigned { get; init; }
    public required bool ActivationGroups { get; init; }
    public required int[] X { get; init; }
    public required int[] W { get; init; }
    public required float[] ActivationScales { get; init; }
    public required int[] ActivationZeros { get; init; }
    public required float[] WeightScales { get; init; }
    public required int[] WeightZeros { get; init; }
    public float[]? Bias { get; init; }

    public int Groups => (K + GroupSize - 1) / GroupSize;

    public override string ToString() =>
        $"{M}×{N}×{K} g{GroupSize} w{(WeightSigned ? 's' : 'u')}{WeightBits} a{(ActivationSigned ? 's' : 'u')}{ActivationBits}{(ActivationGroups ? " group scales" : "")}{(Bias is null ? "" : " bias")}";

    /// <summary>What the codes are drawn from.</summary>
    public enum Fill
    {
        Random,
        Minimum,
        Maximum,
        MinimumTimesMaximum,
        Balanced,
    }

    /// <summary>Fills a case from a seed.</summary>
    public static MatmulCase Create(int seed, int m, int n, int k, int groupSize, int weightBits, bool weightSigned, int activationBits, bool activationSigned, Fill fill = Fill.Random)
    {
        Random random = new(seed);
        groupSize = groupSize == 0 ? k : Math.Min(groupSize, k);
        int groups = (k + groupSize - 1) / groupSize;
        bool activationGroups = random.Next(2) == 0, asymmetricWeights = !weightSigned && random.Next(4) != 0;
        (int wMin, int wMax) = Range(weightBits, weightSigned);
        (int xMin, int xMax) = Range(activationBits, activationSigned);
        if (fill == Fill.Balanced)
        {
            (wMin, wMax) = (0, 4);
        }

        int[] w = new int[n * k], x = new int[m * k];
        for (int i = 0; i < w.Length; i++)
        {
            w[i] = fill is Fill.Random or Fill.Balanced ? random.Next(wMin, wMax + 1) : fill == Fill.Maximum ? wMax : wMin;
        }

        for (int i = 0; i < x.Length; i++)
        {
            x[i] = fill is Fill.Random or Fill.Balanced ? random.Next(xMin, xMax + 1) : fill == Fill.Minimum ? xMin : xMax;
        }

        int scaleCount = activationGroups ? m * groups : m;
        return new MatmulCase
        {
            M = m, N = n, K = k, GroupSize = groupSize, WeightBits = weightBits, WeightSigned = weightSigned,
            ActivationBits = activationBits, ActivationSigned = activationSigned, ActivationGroups = activationGroups, X = x, W = w,
            ActivationScales = Floats(random, scaleCount),
            ActivationZeros = Ints(random, scaleCount, activationSigned || activationBits == 16 ? 0 : xMax),
            WeightScales = Floats(random, n * groups),
            WeightZeros = Ints(random, n * groups, asymmetricWeights ? wMax : 0),
            Bias = random.Next(2) == 0 ? null : Floats(random, n),
        };
    }

    public static (int Minimum, int Maximum) Range(int bits, bool signed) => signed ? (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) : (0, (1 << bits) - 1);

    private static float[] Floats(Random random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = 0.001f + random.NextSingle() * MathF.ScaleB(1f, random.Next(-8, 3));
        }

        return values;
    }

    private static int[] Ints(Random random, int count, int maximum)
    {
        int[] values = new int[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = random.Next(maximum + 1);
        }

        return values;
    }
}
