using Portable.Reference.BitPlanes;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>
/// A flattened linear layer: wide weight codes on the compact K columns, |qw_j| ≤ nw_j·Q, and its two evaluations.
/// </summary>
/// <remarks>
/// The integer lemma: with rounding half away from zero, quantizing on the wide range and splitting the integer into digits
/// equals flattening and then quantizing. So both evaluations give the same integers:
/// <code>
/// compact    K columns,  codes of a few bits more:        Σ_j qx_j · qw_j
/// expanded   K' columns, every code within ±Q (p bits):   Σ_j Σ_a Σ_b digit_a(qx_j) · digit_b(qw_j)
/// </code>
/// The compact one exists where the wide codes have at most 8 bits on both sides.
/// </remarks>
/// <param name="plan">Scales and parts.</param>
/// <param name="matrix">Which of the plan's matrices.</param>
/// <param name="rows">N.</param>
/// <param name="codes">Wide codes, N×K row-major.</param>
internal sealed class FlattenedLinear(FlattenPlan plan, int matrix, int rows, short[] codes)
{
    /// <summary>Whether wide codes fit 8 bits on both sides.</summary>
    public bool HasCompact => LargestCode(plan.ActivationParts) <= 127 && LargestCode(plan.WeightParts) <= 127;

    /// <summary>The quantizer of inputs that have a scale for each token and group of channels: p bits, one part each.</summary>
    /// <param name="bits">p.</param>
    /// <param name="groupSize">Channels of a group, ≥ 1.</param>
    public static ActivationQuantizer GroupedInput(int bits, int groupSize) => new(new CodeFormat(bits, signed: true), ActivationMode.Symmetric, groupSize);

    private int Columns => plan.ActivationParts.Length;

    /// <summary>The grid of wide weight codes of a column: step sw, range ±nw_j·Q.</summary>
    public static WeightGrid Grid(FlattenPlan plan, int matrix, int column)
    {
        int limit = plan.WeightParts[column] * plan.Q;
        return new WeightGrid(plan.WeightScales[matrix], 0, -limit, limit);
    }

    /// <summary>The evaluation that runs: compact where it exists (fewer multiply-adds of the same kind) or where inputs are in groups, else expanded.</summary>
    /// <param name="bias">N values, or null.</param>
    /// <param name="activationGroup">Channels that share a scale of a token, on the compact columns; 0 = the plan's static scale and parts.</param>
    public QuantizedLinear Pack(float[]? bias, int activationGroup = 0) => activationGroup > 0 ? Grouped(bias, activationGroup) : HasCompact ? Compact(bias) : Expanded(bias);

    /// <summary>K columns of wide weight codes, read by inputs that have a scale for each token and group.</summary>
    /// <exception cref="InvalidOperationException">The wide codes of the weights have more than 8 bits.</exception>
    public QuantizedLinear Grouped(float[]? bias, int activationGroup)
    {
        if (LargestCode(plan.WeightParts) > 127)
        {
            throw new InvalidOperationException($"Wide codes of the weights reach {LargestCode(plan.WeightParts)}: more than 8 bits.");
        }

        return Build(codes, Columns, SignedFormat(LargestCode(plan.WeightParts)), bias, GroupedInput(plan.Bits, activationGroup));
    }

    /// <summary>K columns of wide codes.</summary>
    /// <exception cref="InvalidOperationException">The wide codes have more than 8 bits.</exception>
    public QuantizedLinear Compact(float[]? bias)
    {
        if (!HasCompact)
        {
            throw new InvalidOperationException($"Wide codes reach {LargestCode(plan.ActivationParts)} (activations) and {LargestCode(plan.WeightParts)} (weights): more than 8 bits.");
        }

        return Build(codes, Columns, SignedFormat(LargestCode(plan.WeightParts)), bias, CompactInput(plan));
    }

    /// <summary>K' columns of p-bit digits, in the order channel, activation part, weight part.</summary>
    public QuantizedLinear Expanded(float[]? bias)
    {
        int width = plan.ExpandedColumns, q = plan.Q;
        short[] digits = new short[checked(rows * width)];
        RowRanges.Run(rows, width, (first, count) =>
        {
            for (int n = first; n < first + count; n++)
            {
                int column = n * width;
                for (int j = 0; j < Columns; j++)
                {
                    int code = codes[n * Columns + j];
                    for (int a = 0; a < plan.ActivationParts[j]; a++)
                    {
                        for (int b = 0; b < plan.WeightParts[j]; b++)
                        {
                            digits[column++] = (short)Digit(code, b * q, q);
                        }
                    }
                }
            }
        });

        return Build(digits, width, new CodeFormat(plan.Bits, signed: true), bias, ExpandedInput(plan));
    }

    /// <summary>The static quantizer of the compact input: channel j within ±nx_j·Q.</summary>
    public static ActivationQuantizer CompactInput(FlattenPlan plan)
    {
        int[] limits = Array.ConvertAll(plan.ActivationParts, n => n * plan.Q);
        ColumnMap map = new([.. Enumerable.Range(0, limits.Length)], new int[limits.Length], limits);
        return new ActivationQuantizer(SignedFormat(plan.ActivationParts.Max() * plan.Q), ActivationMode.Static, 0, plan.ActivationScale, map);
    }

    /// <summary>The static quantizer of the expanded input: column (j, a, b) carries digit a of channel j.</summary>
    public static ActivationQuantizer ExpandedInput(FlattenPlan plan)
    {
        int width = plan.ExpandedColumns, column = 0;
        int[] source = new int[width], offset = new int[width], limit = new int[width];
        Array.Fill(limit, plan.Q);
        for (int j = 0; j < plan.ActivationParts.Length; j++)
        {
            for (int a = 0; a < plan.ActivationParts[j]; a++)
            {
                for (int b = 0; b < plan.WeightParts[j]; b++)
                {
                    source[column] = j;
                    offset[column++] = a * plan.Q;
                }
            }
        }

        return new ActivationQuantizer(new CodeFormat(plan.Bits, signed: true), ActivationMode.Static, 0, plan.ActivationScale, new ColumnMap(source, offset, limit));
    }

    /// <summary>The part of a wide code that a digit carries: sign(q)·clamp(|q| − offset, 0, limit).</summary>
    public static int Digit(int code, int offset, int limit) => Math.Sign(code) * Math.Clamp(Math.Abs(code) - offset, 0, limit);

    private static CodeFormat SignedFormat(int largest)
    {
        int bits = 2;
        while ((1 << (bits - 1)) - 1 < largest)
        {
            bits++;
        }

        return new CodeFormat(bits, signed: true);
    }

    private int LargestCode(int[] parts) => parts.Max() * plan.Q;

    private QuantizedLinear Build(short[] values, int columns, CodeFormat format, float[]? bias, ActivationQuantizer input)
    {
        float[] scales = new float[rows];
        Array.Fill(scales, plan.WeightScales[matrix]);
        return new QuantizedLinear(BitPacking.Pack(values, rows, GroupLayout.Cut(columns, 0, input.GroupSize), format), scales, null, bias, input, 0);
    }
}
