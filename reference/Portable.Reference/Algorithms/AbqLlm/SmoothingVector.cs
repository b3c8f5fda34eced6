using Portable.Reference.Arithmetic;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>One learnable positive vector of the equivalent transformation.</summary>
internal sealed class SmoothingVector
{
    private const float Least = 0.01f;
    private readonly bool _logarithmic;

    public SmoothingVector(float[] initial, AbqOptions options)
    {
        _logarithmic = options.LogarithmicSmoothing;
        Scale = [.. initial];
        Group = new ParameterGroup(new float[initial.Length], new float[initial.Length], options.SmoothingRate);
        for (int i = 0; i < initial.Length; i++)
        {
            Group.Values[i] = _logarithmic ? (float)ReproducibleMath.Log(initial[i]) : initial[i];
        }
    }

    /// <summary>s.</summary>
    public float[] Scale { get; }

    /// <summary>∂loss/∂ln s of this step; users add to it.</summary>
    public float[] LogGradient => Group.Gradient;

    public ParameterGroup Group { get; }

    /// <summary>s from the trained values; clears the gradient.</summary>
    public void Update()
    {
        for (int i = 0; i < Scale.Length; i++)
        {
            if (_logarithmic)
            {
                Scale[i] = (float)ReproducibleMath.Exp(Math.Clamp(Group.Values[i], -12f, 12f));
            }
            else
            {
                float value = Group.Values[i];
                Group.Values[i] = MathF.Abs(value) < Least ? (value < 0 ? -Least : Least) : value;
                Scale[i] = Group.Values[i];
            }
        }

        Array.Clear(Group.Gradient);
    }

    /// <summary>Turns the logarithmic gradient into that of the trained values.</summary>
    public void FinishGradient()
    {
        for (int i = 0; i < Scale.Length && !_logarithmic; i++)
        {
            Group.Gradient[i] /= Scale[i];
        }
    }

    /// <summary>The published initial value: max(a^α / w^(1−α), 1e-5) with both maxima at least 1e-5.</summary>
    public static float[] Initial(ReadOnlySpan<float> inputs, ReadOnlySpan<float> weights, float alpha)
    {
        float[] scale = new float[inputs.Length];
        for (int i = 0; i < scale.Length; i++)
        {
            double a = ReproducibleMath.Log(Math.Max(inputs[i], 1e-5)), w = ReproducibleMath.Log(Math.Max(weights[i], 1e-5));
            scale[i] = (float)Math.Max(ReproducibleMath.Exp(alpha * a - (1 - alpha) * w), 1e-5);
        }

        return scale;
    }
}
