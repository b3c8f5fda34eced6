namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>How the codes of both operands lie in the 32-bit lanes of a register.</summary>
internal enum LaneCodes
{
    /// <summary>Four weights as unsigned bytes, four activations as signed bytes.</summary>
    UnsignedBytes,

    /// <summary>Four weights and four activations as signed bytes; 8-bit unsigned weights are shifted by 128.</summary>
    SignedBytes,

    /// <summary>Two codes of either operand as 16-bit integers.</summary>
    Words,
}

/// <summary>
/// The multiply-add of one instruction set, on vectors whose 32-bit lanes are output channels: each lane holds consecutive
/// codes of its channel, and the activation's codes of the same columns are broadcast to all lanes.
/// </summary>
/// <typeparam name="V">The vector type.</typeparam>
internal interface IDotOperation<V>
    where V : struct
{
    /// <summary>The kernel's name.</summary>
    static abstract string Name { get; }

    /// <summary>The instructions needed.</summary>
    static abstract string Requires { get; }

    /// <summary>Whether this process has them.</summary>
    static abstract bool IsSupported { get; }

    /// <summary>Form of the operands.</summary>
    static abstract LaneCodes Codes { get; }

    /// <summary>
    /// Whether <see cref="MultiplyAdd"/> leaves 16-bit partial sums, to be widened by <see cref="AddWidened"/> after at most
    /// <see cref="PairSums.Deferral"/> steps.
    /// </summary>
    static abstract bool Defers { get; }

    /// <summary>Modelled cost of one <see cref="MultiplyAdd"/> in cycles.</summary>
    static abstract double Cycles { get; }

    /// <summary>partial + w·x, in 32-bit lanes, or in pairs of 16-bit lanes where it defers.</summary>
    static abstract V MultiplyAdd(V partial, V w, V x);

    /// <summary>sums + the two 16-bit halves of each lane of partial.</summary>
    static abstract V AddWidened(V sums, V partial);
}

/// <summary>How long sums of byte products stay within 16 bits.</summary>
internal static class PairSums
{
    /// <summary>
    /// How many multiply-adds of adjacent byte pairs, u·s + u·s each, surely fit Int16: ⌊32767 / (2·(2^bw − 1)·2^(bx−1))⌋.
    /// 0 for 8 × 8 bits, whose single pair (2 · 255 · −128) already saturates; 1 for 7 × 8 and 8 × 7.
    /// </summary>
    /// <param name="weightBits">Bits of the unsigned operand.</param>
    /// <param name="activationBits">Bits of the signed operand.</param>
    public static int Deferral(int weightBits, int activationBits) => 32767 / (2 * ((1 << weightBits) - 1) * (1 << (activationBits - 1)));
}
