using Portable.Reference.BitPlanes;

namespace Portable.Verification;

/// <summary>
/// The fixed list that every target runs: all weight widths 1…8 and W2* × activation widths 1…8 and 16 × signs, each with
/// lengths around every boundary of blocks and registers, group sizes, shapes and extreme codes; then the longest groups
/// that 32-bit sums allow; then groups of weights and of activations that differ, with scales of 11 bits.
/// </summary>
internal static class VerificationCases
{
    private const int VariantsPerScheme = 34;

    private static readonly int[] Lengths =
        [1, 63, 64, 65, 127, 128, 129, 2, 191, 192, 193, 255, 256, 257, 7, 319, 320, 321, 31, 32, 33, 511, 512, 513, 15, 576, 40, 639, 641, 100, 8, 300, 640, 17];

    private static readonly int[] GroupSizes = [0, 64, 0, 128, 0, 32, 0, 100, 0, 1 << 8, 0, 65];
    private static readonly int[] RowCounts = [1, 2, 1, 3, 4, 1, 5, 2, 8, 1, 7];
    private static readonly int[] ChannelCounts = [1, 4, 3, 8, 2, 5, 16, 1, 9, 17, 3, 33, 6];

    /// <summary>The list.</summary>
    public static IReadOnlyList<VerificationCase> All { get; } = Create();

    private static List<VerificationCase> Create()
    {
        List<VerificationCase> cases = [];
        foreach (int activationBits in (ReadOnlySpan<int>)[1, 2, 3, 4, 5, 6, 7, 8, 16])
        {
            // Width 9 stands for W2*, which is always unsigned.
            for (int weightBits = 1; weightBits <= 9; weightBits++)
            {
                for (int signs = 0; signs < 4; signs++)
                {
                    bool five = weightBits == 9;
                    CodeFormat weights = five ? new(3, signed: false) : new(weightBits, signs % 2 == 1);
                    CodeFormat activations = new(activationBits, signs / 2 == 1);
                    for (int variant = 0; variant < VariantsPerScheme; variant++)
                    {
                        Add(cases, weights, five, activations, variant);
                    }
                }
            }
        }

        AddLongest(cases);
        AddGroups(cases);
        return cases;
    }

    private static void Add(List<VerificationCase> cases, CodeFormat weights, bool five, CodeFormat activations, int variant)
    {
        int index = cases.Count;
        CodeFill fill = variant % 8 == 5 ? (CodeFill)(1 + index / 8 % 3) : CodeFill.Random;
        int columns = Lengths[variant], group = GroupSizes[index % GroupSizes.Length];
        cases.Add(new VerificationCase(index, RowCounts[index % RowCounts.Length], ChannelCounts[index % ChannelCounts.Length], columns, group < columns ? group : 0, weights, five, activations, fill));
    }

    private static void AddLongest(List<VerificationCase> cases)
    {
        const int Longest = 70_000;
        foreach (CodeFill fill in (ReadOnlySpan<CodeFill>)[CodeFill.Maximum, CodeFill.Minimum, CodeFill.Opposite])
        {
            for (int signs = 0; signs < 4; signs++)
            {
                foreach (int bits in (ReadOnlySpan<int>)[8, 16, 7])
                {
                    CodeFormat weights = new(8, signs % 2 == 1), activations = new(bits, signs / 2 == 1);
                    int columns = Math.Min(MatmulShape.MaximumGroup(weights, activations), Longest);
                    cases.Add(new VerificationCase(cases.Count, 1, 1, columns, 0, weights, false, activations, fill));
                }
            }
        }
    }

    private static void AddGroups(List<VerificationCase> cases)
    {
        (int Weights, int Activations)[] pairs = [(0, 64), (128, 32), (64, 128), (64, 64), (32, 96), (0, 100), (192, 64), (256, 0), (50, 0), (65, 130)];
        for (int weightBits = 1; weightBits <= 9; weightBits++)
        {
            foreach (CodeFormat activations in (ReadOnlySpan<CodeFormat>)[new(8, true), new(8, false), new(4, true), new(2, false), new(16, true)])
            {
                int index = cases.Count;
                bool five = weightBits == 9;
                CodeFormat weights = five ? new(3, signed: false) : new(weightBits, weightBits > 1 && index % 3 == 0);
                (int Weights, int Activations) pair = pairs[index % pairs.Length];
                if (activations.Bits == 16)
                {
                    pair = (pair.Weights, 0);
                }

                int finer = pair.Weights == 0 ? pair.Activations : pair.Activations == 0 ? pair.Weights : Math.Min(pair.Weights, pair.Activations);
                cases.Add(new VerificationCase(index, RowCounts[index % RowCounts.Length], ChannelCounts[index % ChannelCounts.Length], 300 + index % 7 * 53, finer, weights, five, activations, CodeFill.Random) { Scales = pair });
            }
        }
    }
}
