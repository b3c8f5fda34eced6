using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>Rotary position embedding of queries and keys, in the half-split layout ("rotate_half"): pair i is (i, i + pairs).</summary>
internal static class Rotary
{
    /// <summary>Rotates the heads of one token in place: a' = canonical(a·cos − b·sin), b' = canonical(b·cos + a·sin).</summary>
    /// <param name="heads">head count × head size.</param>
    /// <param name="headCount">Heads.</param>
    /// <param name="headSize">Width of a head; the channels behind the pairs stay as they are.</param>
    /// <param name="cos">Cosines of the token's position, one for each pair that turns.</param>
    /// <param name="sin">Sines likewise.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Apply(Span<float> heads, int headCount, int headSize, ReadOnlySpan<float> cos, ReadOnlySpan<float> sin)
    {
        int half = cos.Length;
        for (int head = 0; head < headCount; head++)
        {
            Span<float> a = heads.Slice(head * headSize, half), b = heads.Slice(head * headSize + half, half);
            int i = 0;
            for (; i <= half - 8; i += 8)
            {
                Vector256<float> va = Vector256.Create<float>(a.Slice(i, 8)), vb = Vector256.Create<float>(b.Slice(i, 8));
                Vector256<float> vc = Vector256.Create(cos.Slice(i, 8)), vs = Vector256.Create(sin.Slice(i, 8));
                VectorContract.Canonical(va * vc - vb * vs).CopyTo(a[i..]);
                VectorContract.Canonical(vb * vc + va * vs).CopyTo(b[i..]);
            }

            for (; i < half; i++)
            {
                float first = a[i], second = b[i];
                float ac = first * cos[i], bs = second * sin[i], bc = second * cos[i], aS = first * sin[i];
                a[i] = Contract.Canonical(ac - bs);
                b[i] = Contract.Canonical(bc + aS);
            }
        }
    }
}
