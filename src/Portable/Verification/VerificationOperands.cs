using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Verification;

/// <summary>The operands of a case, as plain codes and in the product's packing.</summary>
internal sealed class VerificationOperands
{
    private QuantizedLinear? _inBaseFive;

    /// <summary>Builds the operands from the case's seed.</summary>
    public VerificationOperands(VerificationCase verificationCase)
    {
        Case = verificationCase;
        Generator random = new(verificationCase.Index);
        CodeFormat wf = Case.Weights, xf = Case.Activations;
        GroupLayout layout = Case.Layout;
        WeightCodes = Codes(ref random, Case.Channels * Case.Columns, wf.Minimum, Case.LargestWeight, Case.Fill is CodeFill.Maximum, Case.Fill);
        ActivationCodes = Codes(ref random, Case.Rows * Case.Columns, xf.Minimum, xf.Maximum, Case.Fill is CodeFill.Maximum or CodeFill.Opposite, Case.Fill);
        bool groupScales = random.Next(2) == 0, zeros = !wf.Signed && random.Next(4) != 0;
        (int weightGroup, int activationGroup) = Case.Scales ?? (Case.GroupSize, groupScales ? Case.GroupSize : 0);
        float[] scales = Floats(ref random, Case.Channels * layout.Scales(weightGroup).Count);
        if (Case.Scales is not null)
        {
            scales = Array.ConvertAll(scales, s => WeightScales.Nearest(s, ScaleFormat.Half));
        }

        byte[]? weightZeros = zeros ? new byte[scales.Length] : null;
        for (int i = 0; i < scales.Length && zeros; i++)
        {
            weightZeros![i] = (byte)random.Next(Case.LargestWeight + 1);
        }

        float[]? bias = random.Next(2) == 0 ? null : Floats(ref random, Case.Channels);
        ActivationMode mode = xf.Signed ? ActivationMode.Symmetric : ActivationMode.Asymmetric;
        BitPlaneMatrix planes = BitPacking.Pack(Array.ConvertAll(WeightCodes, c => (short)c), Case.Channels, layout, wf);
        Linear = new QuantizedLinear(planes, scales, weightZeros, bias, new ActivationQuantizer(xf, mode, activationGroup), weightGroup);
        Activations = Pack(ActivationCodes, Case.Rows, layout, xf, activationGroup);
        Floats(ref random, Activations.Scales.Length).CopyTo(Activations.Scales, 0);
        if (!xf.Signed && xf.Bits != 16)
        {
            for (int i = 0; i < Activations.ZeroPoints.Length; i++)
            {
                Activations.ZeroPoints[i] = random.Next(xf.Maximum + 1);
            }
        }
    }

    /// <summary>The case.</summary>
    public VerificationCase Case { get; }

    /// <summary>N×K codes.</summary>
    public int[] WeightCodes { get; }

    /// <summary>M×K codes.</summary>
    public int[] ActivationCodes { get; }

    /// <summary>The layer.</summary>
    public QuantizedLinear Linear { get; }

    /// <summary>The layer with its five-level codes, in one group, in base five.</summary>
    public QuantizedLinear LinearInBaseFive => _inBaseFive ??= new QuantizedLinear(BaseFiveRows.Pack(Linear.Weights), Linear.Scales, Linear.ZeroPoints, Linear.Bias, Linear.Input, Linear.GroupSize);

    /// <summary>Its input.</summary>
    public QuantizedActivations Activations { get; }

    private static int[] Codes(ref Generator random, int count, int minimum, int maximum, bool high, CodeFill fill)
    {
        int[] codes = new int[count];
        for (int i = 0; i < count; i++)
        {
            codes[i] = fill == CodeFill.Random ? minimum + random.Next(maximum - minimum + 1) : high ? maximum : minimum;
        }

        return codes;
    }

    private static float[] Floats(ref Generator random, int count)
    {
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            // 24 random bits, so that products and sums do round.
            values[i] = (1 + random.Next(1 << 24)) * MathF.ScaleB(1f, -24 - random.Next(8));
        }

        return values;
    }

    private static QuantizedActivations Pack(int[] codes, int rows, GroupLayout layout, CodeFormat format, int groupSize)
    {
        QuantizedActivations x = new(rows, layout, format, groupSize) { Rows = rows };
        for (int row = 0; row < rows; row++)
        {
            CodeStorage.StoreRow(codes.AsSpan(row * layout.Columns, layout.Columns), x, row);
        }

        return x;
    }

    /// <summary>Numbers of a case, by the remainder: verification's hashes depend on it.</summary>
    private struct Generator(int seed)
    {
        private SplitMix64 _numbers = new(((ulong)seed * SplitMix64.Increment) + 0x2545F4914F6CDD1D);

        public int Next(int count) => (int)((_numbers.Next() >> 33) % (ulong)count);
    }
}
