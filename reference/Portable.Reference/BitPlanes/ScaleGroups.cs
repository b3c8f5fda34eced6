namespace Portable.Reference.BitPlanes;

/// <summary>
/// The scale groups of one operand over the groups of a <see cref="GroupLayout"/>: weights and activations may share scales over
/// different stretches of K, and sums are cut at the borders of the finer.
/// </summary>
/// <param name="Count">Scales of a row, at least 1.</param>
/// <param name="Span">Groups of the layout that share one; the last scale may have fewer.</param>
public readonly record struct ScaleGroups(int Count, int Span)
{
    /// <summary>The scale of a group of the layout.</summary>
    // Most layers have one scale a group or one for all, and a division is long beside what is done with one group.
    public int Of(int group) => Span == 1 ? group : Count == 1 ? 0 : group / Span;
}
