namespace Portable.Inference;

/// <summary>Turns "so many done" into a fraction for a bar.</summary>
/// <param name="bar">Takes fractions 0 … 1.</param>
/// <param name="total">What 1 means.</param>
internal sealed class Fraction(IProgress<double> bar, int total) : IProgress<int>
{
    /// <inheritdoc/>
    public void Report(int value) => bar.Report((double)value / total);
}
