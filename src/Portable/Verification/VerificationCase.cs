using Portable.Reference.BitPlanes;

namespace Portable.Verification;

/// <summary>What the codes of a case are.</summary>
internal enum CodeFill
{
    /// <summary>Uniform over the format (0 … 4 for five-level weights).</summary>
    Random,

    /// <summary>Weights and activations all at their minimum.</summary>
    Minimum,

    /// <summary>Weights and activations all at their maximum.</summary>
    Maximum,

    /// <summary>Weights at their minimum, activations at their maximum.</summary>
    Opposite,
}

/// <summary>One matmul of the fixed list: everything follows from these values.</summary>
/// <param name="Index">Position in the list, and the seed.</param>
/// <param name="Rows">M.</param>
/// <param name="Channels">N.</param>
/// <param name="Columns">K.</param>
/// <param name="GroupSize">Columns per group, the finer of weights' and activations'; 0 = all.</param>
/// <param name="Weights">Weight codes.</param>
/// <param name="FiveLevels">Whether the weights are W2*: codes 0 … 4 in three planes.</param>
/// <param name="Activations">Activation codes.</param>
/// <param name="Fill">How codes are filled.</param>
internal sealed record VerificationCase(int Index, int Rows, int Channels, int Columns, int GroupSize, CodeFormat Weights, bool FiveLevels, CodeFormat Activations, CodeFill Fill)
{
    /// <summary>Columns that share a weight scale and columns that share an activation's, 0 = all, scales of 11 bits; null: weights have the groups, activations these or none, scales any bits.</summary>
    public (int Weights, int Activations)? Scales { get; init; }

    /// <summary>K and its groups.</summary>
    public GroupLayout Layout => new(Columns, GroupSize);

    /// <summary>The largest weight code.</summary>
    public int LargestWeight => FiveLevels ? 4 : Weights.Maximum;
}
