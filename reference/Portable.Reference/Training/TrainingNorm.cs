using Portable.Reference.Arithmetic;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>RMSNorm, and LayerNorm where there is a bias, with gradients. Keeps what backward needs of one forward pass.</summary>
/// <remarks>
/// RMSNorm: x̂ = x·r, r = 1/√(mean x² + ε), y = x̂·gain. LayerNorm: the same of x − mean x, plus bias.
/// Backward with g = dy·gain: dx = r·(g − x̂·mean(g·x̂)), and − r·mean(g) for LayerNorm; dgain = Σ_t dy·x̂; dbias = Σ_t dy.
/// </remarks>
/// <param name="tokens">The most tokens T.</param>
/// <param name="columns">Width K.</param>
/// <param name="epsilon">ε.</param>
internal sealed class TrainingNorm(int tokens, int columns, float epsilon)
{
    private readonly float[] _normalized = new float[tokens * columns];
    private readonly float[] _reciprocal = new float[tokens];

    /// <summary>y of <paramref name="count"/> tokens.</summary>
    public void Forward(float[] x, NormTensors norm, float[] y, int count)
    {
        (float[] gain, float[]? bias) = norm;
        WorkerPool.Run(count, t =>
        {
            ReadOnlySpan<float> source = x.AsSpan(t * columns, columns);
            Span<float> hat = _normalized.AsSpan(t * columns, columns), result = y.AsSpan(t * columns, columns);
            float mean = bias is null ? 0 : RowMath.Sum(source) * (1f / columns);
            for (int k = 0; k < columns; k++)
            {
                hat[k] = source[k] - mean;
            }

            float r = Contract.ReciprocalSquareRoot(RowMath.Dot(hat, hat) * (1f / columns) + epsilon);
            _reciprocal[t] = r;
            for (int k = 0; k < columns; k++)
            {
                hat[k] *= r;
                result[k] = hat[k] * gain[k];
            }

            if (bias is not null)
            {
                for (int k = 0; k < columns; k++)
                {
                    result[k] += bias[k];
                }
            }
        });
    }

    /// <summary>Gradients of the last forward pass.</summary>
    /// <param name="dy">∂/∂y.</param>
    /// <param name="norm">Gain and bias of the forward pass.</param>
    /// <param name="dx">∂/∂x is added here; null where nobody needs it.</param>
    /// <param name="gradient">∂/∂gain and ∂/∂bias, overwritten; no bias for RMSNorm.</param>
    /// <param name="count">Tokens.</param>
    public void Backward(float[] dy, NormTensors norm, float[]? dx, NormTensors gradient, int count)
    {
        float[] gain = norm.Gain;
        (float[] dGain, float[]? dBias) = gradient;
        ColumnMath.DotColumns(dy, _normalized, dGain, count, columns);
        if (dBias is not null)
        {
            ColumnMath.SumColumns(dy, dBias, count, columns);
        }

        if (dx is null)
        {
            return;
        }

        WorkerPool.Run(count, t =>
        {
            Span<float> g = stackalloc float[columns];
            ReadOnlySpan<float> upstream = dy.AsSpan(t * columns, columns), hat = _normalized.AsSpan(t * columns, columns);
            for (int k = 0; k < columns; k++)
            {
                g[k] = upstream[k] * gain[k];
            }

            float along = RowMath.Dot(g, hat) * (1f / columns), mean = dBias is null ? 0 : RowMath.Sum(g) * (1f / columns), r = _reciprocal[t];
            Span<float> result = dx.AsSpan(t * columns, columns);
            for (int k = 0; k < columns; k++)
            {
                result[k] += r * (g[k] - hat[k] * along - mean);
            }
        });
    }
}
