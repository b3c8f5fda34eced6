using System.Numerics.Tensors;
using Portable.Reference.Operations;

namespace Portable.Reference.Algorithms.Baselines;

/// <summary>
/// Channel smoothing (SmoothQuant, Xiao et al., ICML 2023, equation 4): s_j = max|X_j|^α / max|W_j|^(1−α); the input is divided
/// by s_j and column j of the weights multiplied by it, which leaves the product unchanged.
/// </summary>
internal static class Smoothing
{
    /// <summary>Lower bound of the weight maxima and of the factors.</summary>
    public const float Floor = 1e-5f;

    /// <summary>The factors s_j.</summary>
    /// <param name="activationMaxima">max|X_j| over the calibration tokens, K values.</param>
    /// <param name="weightMaxima">max|W_j| over every matrix that shares the input, K values.</param>
    /// <param name="alpha">Migration strength, 0 … 1; 0.5 gives both sides the same maxima.</param>
    public static float[] Factors(ReadOnlySpan<float> activationMaxima, ReadOnlySpan<float> weightMaxima, double alpha)
    {
        if (alpha is not (>= 0 and <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(alpha), alpha, "The migration strength is within 0 … 1.");
        }

        float[] factors = new float[activationMaxima.Length];
        for (int j = 0; j < factors.Length; j++)
        {
            double x = Math.Max(activationMaxima[j], Floor), w = Math.Max(weightMaxima[j], Floor);
            double s = Math.Max(Math.Pow(x, alpha) / Math.Pow(w, 1 - alpha), Floor);

            // Math.Pow differs between C libraries in the last bits of a double; 16 significant bits of s are the same on all,
            // and any s keeps the product, so nothing is lost.
            factors[j] = BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits((float)s) + 0x80) & ~0xFF);
        }

        return factors;
    }

    /// <summary>max|W_j| over the rows of a matrix, folded into <paramref name="maxima"/>.</summary>
    /// <param name="weights">N×K, row-major.</param>
    /// <param name="maxima">K values, raised where a weight is larger.</param>
    public static unsafe void RaiseColumnMaxima(ReadOnlySpan<float> weights, Span<float> maxima)
    {
        int columns = maxima.Length, rows = weights.Length / columns;
        fixed (float* source = weights, target = maxima)
        {
            float* from = source, to = target;
            RowRanges.Run(columns, rows, (first, count) =>
            {
                for (int row = 0; row < rows; row++)
                {
                    for (int j = first; j < first + count; j++)
                    {
                        to[j] = MathF.Max(to[j], MathF.Abs(from[((long)row * columns) + j]));
                    }
                }
            });
        }
    }

    /// <summary>Multiplies column j by s_j (weights), or divides it (a norm's gain and bias, one row).</summary>
    /// <param name="values">Rows of K values.</param>
    /// <param name="factors">s_j.</param>
    /// <param name="divide">Divide instead of multiply.</param>
    public static float[] Scale(ReadOnlySpan<float> values, float[] factors, bool divide)
    {
        float[] scaled = new float[values.Length];
        Scale(values, factors, divide, scaled);
        return scaled;
    }

    /// <summary>The same into memory that is there, which may be that of the values.</summary>
    /// <param name="values">Rows of K values.</param>
    /// <param name="factors">s_j.</param>
    /// <param name="divide">Divide instead of multiply.</param>
    /// <param name="scaled">Receives as many.</param>
    public static unsafe void Scale(ReadOnlySpan<float> values, float[] factors, bool divide, Span<float> scaled)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(scaled.Length, values.Length);
        int columns = factors.Length;
        fixed (float* source = values, target = scaled)
        {
            float* from = source, to = target;
            RowRanges.Run(values.Length / columns, columns, (first, count) =>
            {
                for (int row = first; row < first + count; row++)
                {
                    ReadOnlySpan<float> x = new(from + ((long)row * columns), columns);
                    Span<float> y = new(to + ((long)row * columns), columns);
                    if (divide)
                    {
                        TensorPrimitives.Divide(x, factors, y);
                    }
                    else
                    {
                        TensorPrimitives.Multiply(x, factors, y);
                    }
                }
            });
        }
    }
}
