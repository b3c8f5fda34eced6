namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>Smoothing factors of an input and the plan of the smoothed input: all that fixes a group's grids at one width.</summary>
/// <param name="Factors">s_j: the input is divided by them and the weight columns multiplied; null leaves both as they are.</param>
/// <param name="Plan">Scales and parts.</param>
/// <param name="Loss">Relative squared output error that the search expects; 0 where nothing was searched.</param>
internal sealed record FlattenRanges(float[]? Factors, FlattenPlan Plan, double Loss = 0);
