namespace Portable.Verification;

/// <summary>What a target computes for a case.</summary>
internal sealed class VerificationOutput
{
    /// <summary>Allocates the outputs of a case.</summary>
    public VerificationOutput(VerificationCase verificationCase)
    {
        int sums = verificationCase.Rows * verificationCase.Channels * verificationCase.Layout.Groups;
        Sums = new int[sums];
        HighSums = new int[verificationCase.Activations.Bits == 16 ? sums : 0];
        Outputs = new float[verificationCase.Rows * verificationCase.Channels];
        Halves = new ushort[Outputs.Length];
    }

    /// <summary>Exact sums of raw codes (of low digits for 16-bit activations), [(group × M + m) × N + n].</summary>
    public int[] Sums { get; }

    /// <summary>The same of high digits, or empty.</summary>
    public int[] HighSums { get; }

    /// <summary>The linear layer's outputs, [m × N + n].</summary>
    public float[] Outputs { get; }

    /// <summary>The same as f16: nearest even, within ±65504. No part of a target's hash.</summary>
    public ushort[] Halves { get; }

    /// <summary>Whether every bit is equal.</summary>
    public bool HasSameBits(VerificationOutput other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Halves.AsSpan().SequenceEqual(other.Halves) && Sums.AsSpan().SequenceEqual(other.Sums) && HighSums.AsSpan().SequenceEqual(other.HighSums)
            && System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(Outputs).SequenceEqual(System.Runtime.InteropServices.MemoryMarshal.Cast<float, int>(other.Outputs));
    }
}
