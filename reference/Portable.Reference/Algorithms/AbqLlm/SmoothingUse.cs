namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>Where a smoothing vector acts: value i of a row, a column or a gain is multiplied by s[map[i]]^power.</summary>
/// <param name="Vector">s.</param>
/// <param name="Map">Which of its values, or null for its own order.</param>
/// <param name="Power">1, −1, or −½.</param>
internal readonly record struct SmoothingUse(SmoothingVector Vector, int[]? Map, float Power)
{
    /// <summary>s of value <paramref name="at"/>.</summary>
    public float Scale(int at) => Vector.Scale[Map is null ? at : Map[at]];

    /// <summary>What value <paramref name="at"/> is multiplied by.</summary>
    public float Factor(int at) => Power switch { 1 => Scale(at), -1 => 1 / Scale(at), _ => 1 / MathF.Sqrt(Scale(at)) };

    /// <summary>Adds the vector's share of ∂loss/∂ln of all factors.</summary>
    public void Scatter(ReadOnlySpan<float> logGradient)
    {
        for (int i = 0; i < logGradient.Length; i++)
        {
            Vector.LogGradient[Map is null ? i : Map[i]] += Power * logGradient[i];
        }
    }
}
