namespace Portable.Evaluation;

/// <summary>What one model did at every scored position, window after window.</summary>
/// <param name="count">Scored positions in all.</param>
internal sealed class ScoredPositions(int count)
{
    /// <summary>Negative log likelihood of the token that came, nats.</summary>
    public double[] Losses { get; } = new double[count];

    /// <summary>Divergence from the reference's distribution, nats; 0 for the reference itself.</summary>
    public double[] Divergences { get; } = new double[count];

    /// <summary>Whether the likeliest token is the reference's.</summary>
    public bool[] SameTop { get; } = new bool[count];
}
