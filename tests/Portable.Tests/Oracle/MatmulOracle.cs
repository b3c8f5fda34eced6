namespace Portable.Tests.Oracle;

/// <summary>
/// The matmul by plain loops over codes in Int64, and the contract's epilogue one float operation at a time. Shares no code
/// with the product.
/// </summary>
public static class MatmulOracle
{
    /// <summary>Σ over columns first … end of x[m, k]·w[n, k].</summary>
    public static long Dot(int[] x, int m, int[] w, int n, int columns, int first, int end)
    {
        long sum = 0;
        for (int k = first; k < end; k++)
        {
            sum += (long)x[m * columns + k] * w[n * columns + k];
        }

        return sum;
    }

    /// <summary>Σ over columns first … end of a row.</summary>
    public static long Sum(int[] codes, int row, int columns, int first, int end)
    {
        long sum = 0;
        for (int k = first; k < end; k++)
        {
            sum += codes[row * columns + k];
        }

        return sum;
    }

    /// <summary>One output of a linear layer.</summary>
    public static float Linear(MatmulCase c, int m, int n)
    {
        float y = 0f;
        for (int g = 0; g < c.Groups; g++)
        {
            int first = g * c.GroupSize, end = Math.Min(c.K, first + c.GroupSize);
            int ofX = m * c.ActivationGroups + first / c.ActivationGroup, ofW = n * c.WeightGroups + first / c.WeightGroup;
            float sx = c.ActivationScales[ofX], sw = c.WeightScales[ofW];
            long zx = c.ActivationZeros[ofX], zw = c.WeightZeros[ofW];
            float value;
            if (c.ActivationBits == 16)
            {
                int[] low = [.. c.X.Select(v => v & 255)], high = [.. c.X.Select(v => v >> 8)];
                long l = Dot(low, m, c.W, n, c.K, first, end) - zw * Sum(low, m, c.K, first, end);
                long h = Dot(high, m, c.W, n, c.K, first, end) - zw * Sum(high, m, c.K, first, end);
                float scaled = (float)h * 256f;
                value = scaled + (float)l;
            }
            else
            {
                long i = Dot(c.X, m, c.W, n, c.K, first, end) - zw * Sum(c.X, m, c.K, first, end) - zx * Sum(c.W, n, c.K, first, end) + (end - first) * zx * zw;
                value = (float)i;
            }

            float p = sx * sw;
            float term = value * p;
            y += term;
        }

        if (c.Bias is not null)
        {
            y += c.Bias[n];
        }

        return MathF.Abs(y) < MathF.ScaleB(1f, -60) ? 0f : y;
    }
}
