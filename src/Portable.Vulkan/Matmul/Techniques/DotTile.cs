namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>How the dot kernel cuts a problem.</summary>
/// <param name="Slices">Slices of K per workgroup, one subgroup's worth of invocations each.</param>
/// <param name="Tokens">Tokens per workgroup.</param>
/// <param name="Depth">Blocks in flight per invocation.</param>
/// <param name="Rows">Rows per invocation: every activation that is loaded serves so many.</param>
/// <param name="SharedActivations">Activations go through shared memory.</param>
/// <param name="Splits">Workgroups that share the slices of K: the last to finish adds what all have left in memory.</param>
internal readonly record struct DotTile(int Slices, int Tokens, int Depth, int Rows = 1, bool SharedActivations = false, int Splits = 1)
{
    /// <inheritdoc/>
    public override string ToString() =>
        FormattableString.Invariant($"dot {Slices}x{Tokens}x{Depth}{(Rows > 1 ? $" r{Rows}" : "")}{(SharedActivations ? " x" : "")}{(Splits > 1 ? $" k{Splits}" : "")}");
}
