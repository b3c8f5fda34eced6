namespace Portable.Reference.Quantization;

/// <summary>Which grids a search chooses from.</summary>
/// <param name="Symmetric">Zero point 0, codes −LargestCode − 1 … LargestCode; else codes 0 … LargestCode around a zero point.</param>
/// <param name="LargestCode">The largest code.</param>
/// <param name="Scales">What scales are rounded to.</param>
internal sealed record GridKind(bool Symmetric, int LargestCode, ScaleFormat Scales)
{
    /// <summary>The grid of least weighted squared error (<see cref="GridSearch"/>).</summary>
    /// <param name="values">w: the weights that share it.</param>
    /// <param name="importance">h ≥ 0, one for each.</param>
    public WeightGrid Search(ReadOnlySpan<double> values, ReadOnlySpan<double> importance) => Symmetric
        ? GridSearch.Symmetric(values, importance, int.Log2(LargestCode + 1) + 1, Scales)
        : GridSearch.Asymmetric(values, importance, LargestCode, Scales);
}
