namespace Portable.Inference;

/// <summary>Memory that a model will take on a device, known before it is loaded.</summary>
/// <param name="Linears">Packed weights, scales, zero points and sums of all blocks; elements of an unquantized model.</param>
/// <param name="Tables">Embedding, learned positions, head; cosines and sines.</param>
/// <param name="Cache">Keys and values.</param>
/// <param name="Working">Activations of the largest batch, a prompt's or a decode step's.</param>
internal sealed record MemoryEstimate(long Linears, long Tables, long Cache, long Working)
{
    /// <summary>All of it, bytes.</summary>
    public long Total => Linears + Tables + Cache + Working;

    /// <summary>The sizes in words.</summary>
    public override string ToString() =>
        FormattableString.Invariant($"{Total / 1e9:F2} GB (linears {Linears / 1e9:F2}, tables {Tables / 1e9:F2}, cache {Cache / 1e9:F2}, activations {Working / 1e9:F2})");
}
