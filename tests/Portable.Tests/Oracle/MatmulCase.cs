namespace Portable.Tests.Oracle;

/// <summary>A matmul in plain arrays: shape, widths and everything that the formula names.</summary>
public sealed class MatmulCase
{
    public required int M { get; init; }
    public required int N { get; init; }
    public required int K { get; init; }
    public required int GroupSize { get; init; } // where sums are cut: the finer of the two below
    public required int WeightGroup { get; init; } // columns that share a weight scale
    public required int ActivationGroup { get; init; } // columns that share a scale of an activation
    public required int WeightBits { get; init; }
    public required bool WeightSigned { get; init; }
    public required int ActivationBits { get; init; }
    public required bool ActivationSigned { get; init; }
    public required int[] X { get; init; }
    public required int[] W { get; init; }
    public required float[] ActivationScales { get; init; }
    public required int[] ActivationZeros { get; init; }
    public required float[] WeightScales { get; init; }
    public required int[] WeightZeros { get; init; }
    public float[]? Bias { get; init; }

    public int Groups => (K + GroupSize - 1) / GroupSize;
    public int WeightGroups => (K + WeightGroup - 1) / WeightGroup;
    public int ActivationGroups => (K + ActivationGroup - 1) / ActivationGroup;

    /// <summary>Whether the codes are 0 … 4 in one group, which memory may have in base five.</summary>
    public bool FitsBaseFive => WeightBits == 3 && !WeightSigned && Groups == 1 && Array.TrueForAll(W, w => w <= 4);

    public override string ToString() =>
        $"{M}×{N}×{K} g{GroupSize} w{(WeightSigned ? 's' : 'u')}{WeightBits} a{(ActivationSigned ? 's' : 'u')}{ActivationBits} scales over {WeightGroup} and {ActivationGroup}{(Bias is null ? "" : " bias")}";

    /// <summary>What the codes are drawn from.</summary>
    public enum Fill
    {
        Random,
        Minimum,
        Maximum,
        MinimumTimesMaximum,
        Balanced,
        BalancedMaximum,
    }

    /// <summary>Fills a case from a seed.</summary>
    public static MatmulCase Create(int seed, int m, int n, int k, int groupSize, int weightBits, bool weightSigned, int activationBits, bool activationSigned, Fill fill = Fill.Random)
    {
        Random random = new(seed);
        groupSize = groupSize == 0 ? k : Math.Min(groupSize, k);
        // One of them has the groups that sums are cut at, the other whole numbers of them, or all.
        int coarser = random.Next(4) switch { 0 => k, 1 => groupSize, _ => Math.Min(k, groupSize * random.Next(2, 5)) };
        (int weightGroup, int activationGroup) = random.Next(2) == 0 ? (groupSize, coarser) : (coarser, groupSize);
        int weightGroups = (k + weightGroup - 1) / weightGroup;
        bool asymmetricWeights = !weightSigned && random.Next(4) != 0;
        (int wMin, int wMax) = Range(weightBits, weightSigned);
        (int xMin, int xMax) = Range(activationBits, activationSigned);
        if (fill is Fill.Balanced or Fill.BalancedMaximum)
        {
            (wMin, wMax) = (0, 4);
        }

        int[] w = new int[n * k], x = new int[m * k];
        for (int i = 0; i < w.Length; i++)
        {
            w[i] = fill is Fill.Random or Fill.Balanced ? random.Next(wMin, wMax + 1) : fill is Fill.Maximum or Fill.BalancedMaximum ? wMax : wMin;
        }

        for (int i = 0; i < x.Length; i++)
        {
            x[i] = fill is Fill.Random or Fill.Balanced ? random.Next(xMin, xMax + 1) : fill is Fill.Minimum or Fill.BalancedMaximum ? xMin : xMax;
        }

        int scaleCount = m * ((k + activationGroup - 1) / activationGroup);
        bool halves = random.Next(2) == 0;
        return new MatmulCase
        {
            M = m, N = n, K = k, GroupSize = groupSize, WeightGroup = weightGroup, ActivationGroup = activationGroup, WeightBits = weightBits, WeightSigned = weightSigned,
            ActivationBits = activationBits, ActivationSigned = activationSigned, X = x, W = w,
            ActivationScales = Floats(random, scaleCount),
            ActivationZeros = Ints(random, scaleCount, activationSigned || activationBits == 16 ? 0 : xMax),
            WeightScales = halves ? Elevens(random, n * weightGroups) : Floats(random, n * weightGroups),
            WeightZeros = Ints(random, n * weightGroups, asymmetricWeights ? wMax : 0),
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

    // Eleven significant bits over all exponents that halves reach, 2^-24 to 64.
    private static float[] Elevens(Random random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = MathF.ScaleB(random.Next(1024, 2048), random.Next(8) == 0 ? random.Next(-34, -4) : random.Next(-16, -10));
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
