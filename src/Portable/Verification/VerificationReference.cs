namespace Portable.Verification;

/// <summary>The definition in plain loops over codes: what every kernel of every target is compared with.</summary>
internal static class VerificationReference
{
    public static VerificationOutput Compute(VerificationOperands operands)
    {
        VerificationCase c = operands.Case;
        VerificationOutput output = new(c);
        int groups = c.Layout.Groups, size = c.Layout.GroupSize;
        bool digits = c.Activations.Bits == 16;
        for (int m = 0; m < c.Rows; m++)
        {
            for (int n = 0; n < c.Channels; n++)
            {
                float y = 0f;
                for (int g = 0; g < groups; g++)
                {
                    int first = g * size, end = Math.Min(c.Columns, first + size), index = (g * c.Rows + m) * c.Channels + n;
                    ReadOnlySpan<int> x = operands.ActivationCodes.AsSpan(m * c.Columns, c.Columns)[first..end];
                    ReadOnlySpan<int> w = operands.WeightCodes.AsSpan(n * c.Columns, c.Columns)[first..end];
                    int zx = operands.Activations.ZeroPoints[m * operands.Activations.ScaleGroups.Count + operands.Activations.ScaleGroups.Of(g)];
                    int zw = operands.Linear.ZeroPoints?[n, operands.Linear.ScaleGroups.Of(g)] ?? 0;
                    long low = 0, high = 0, lowShifted = 0, highShifted = 0;
                    for (int k = 0; k < x.Length; k++)
                    {
                        int digit = digits ? x[k] & 255 : x[k], highDigit = digits ? x[k] >> 8 : 0;
                        low += (long)digit * w[k];
                        high += (long)highDigit * w[k];
                        lowShifted += (long)(digit - zx) * (w[k] - zw);
                        highShifted += (long)highDigit * (w[k] - zw);
                    }

                    output.Sums[index] = checked((int)low);
                    float value = checked((int)lowShifted);
                    if (digits)
                    {
                        output.HighSums[index] = checked((int)high);
                        float scaled = (float)checked((int)highShifted) * 256f;
                        value = scaled + value;
                    }

                    float scale = operands.Activations.Scales[m * operands.Activations.ScaleGroups.Count + operands.Activations.ScaleGroups.Of(g)] * operands.Linear.Scales[n * operands.Linear.ScaleGroups.Count + operands.Linear.ScaleGroups.Of(g)];
                    float term = value * scale;
                    y += term;
                }

                if (operands.Linear.Bias is { } bias)
                {
                    y += bias[n];
                }

                float canonical = MathF.Abs(y) < MathF.ScaleB(1f, -60) ? 0f : y;
                output.Outputs[m * c.Channels + n] = canonical;
                output.Halves[m * c.Channels + n] = BitConverter.HalfToUInt16Bits((Half)Math.Clamp(canonical, -(float)Half.MaxValue, (float)Half.MaxValue));
            }
        }

        return output;
    }
}
