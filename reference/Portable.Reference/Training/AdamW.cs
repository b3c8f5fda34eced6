using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>A group of trainable values with their gradient, moments and learning rate.</summary>
/// <param name="values">The values; updated in place.</param>
/// <param name="gradient">Their gradient, filled before each step; may be shared with other users between steps.</param>
/// <param name="learningRate">η of the group.</param>
/// <param name="rowRates">Factors of η per row of values.Length / rowRates.Length values, or null.</param>
internal sealed class ParameterGroup(float[] values, float[] gradient, float learningRate, float[]? rowRates = null)
{
    /// <summary>The trainable values.</summary>
    public float[] Values => values;

    /// <summary>∂loss/∂values.</summary>
    public float[] Gradient => gradient;

    /// <summary>η before the schedule.</summary>
    public float LearningRate => learningRate;

    /// <summary>Factors of η per row, or null.</summary>
    public float[]? RowRates => rowRates;

    internal float[] First { get; } = new float[values.Length];

    internal float[] Second { get; } = new float[values.Length];
}

/// <summary>
/// AdamW (Loshchilov and Hutter): m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − η·λ·θ − η·m̂/(√v̂ + ε), with
/// m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ). Elementwise, so independent of threads and vector width.
/// </summary>
/// <param name="groups">Parameter groups.</param>
/// <param name="beta1">β₁.</param>
/// <param name="beta2">β₂.</param>
/// <param name="epsilon">ε.</param>
/// <param name="weightDecay">λ.</param>
internal sealed class AdamW(IReadOnlyList<ParameterGroup> groups, float beta1 = 0.9f, float beta2 = 0.999f, float epsilon = 1e-8f, float weightDecay = 0)
{
    private const int Piece = 16384;
    private double _power1 = 1, _power2 = 1;

    /// <summary>One update of every group.</summary>
    /// <param name="factor">The schedule's factor of every learning rate.</param>
    public void Step(float factor = 1)
    {
        (float correction1, float correction2) = Advance();
        foreach (ParameterGroup group in groups)
        {
            int row = group.RowRates is { } rates ? group.Values.Length / rates.Length : group.Values.Length;
            int rowsPerPiece = Math.Max(1, Piece / row), piece = group.RowRates is null ? Piece : rowsPerPiece * row;
            WorkerPool.Run((group.Values.Length + piece - 1) / piece, part =>
            {
                int first = part * piece, end = Math.Min(first + piece, group.Values.Length);
                for (int start = first; start < end;)
                {
                    int stop = group.RowRates is null ? end : Math.Min(end, start + row);
                    float rate = group.LearningRate * factor * (group.RowRates is { } factors ? factors[start / row] : 1);
                    Update(group, start, stop, rate, correction1, correction2);
                    start = stop;
                }
            });
        }
    }

    /// <summary>Goes to the next step: 1/(1 − β₁ᵗ) and 1/(1 − β₂ᵗ), for whoever updates values elsewhere.</summary>
    public (float First, float Second) Advance()
    {
        _power1 *= beta1;
        _power2 *= beta2;
        return ((float)(1 / (1 - _power1)), (float)(1 / (1 - _power2)));
    }

    private void Update(ParameterGroup group, int start, int stop, float rate, float correction1, float correction2)
    {
        Span<float> value = group.Values.AsSpan(start..stop), m = group.First.AsSpan(start..stop), v = group.Second.AsSpan(start..stop);
        ReadOnlySpan<float> gradient = group.Gradient.AsSpan(start..stop);
        float keep = 1 - rate * weightDecay;
        int i = 0;
        for (; i <= value.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            Vector256<float> g = Vector256.Create(gradient.Slice(i, 8));
            Vector256<float> first = Vector256.Create(m.Slice(i, 8)) * beta1 + g * (1 - beta1);
            Vector256<float> second = Vector256.Create(v.Slice(i, 8)) * beta2 + g * g * (1 - beta2);
            first.CopyTo(m[i..]);
            second.CopyTo(v[i..]);
            Vector256<float> update = first * correction1 / (Vector256.Sqrt(second * correction2) + Vector256.Create(epsilon));
            (Vector256.Create(value.Slice(i, 8)) * keep - update * rate).CopyTo(value[i..]);
        }

        for (; i < value.Length; i++)
        {
            float g = gradient[i];
            m[i] = m[i] * beta1 + g * (1 - beta1);
            v[i] = v[i] * beta2 + g * g * (1 - beta2);
            value[i] = value[i] * keep - m[i] * correction1 / (MathF.Sqrt(v[i] * correction2) + epsilon) * rate;
        }
    }
}
