using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>The ungated activation of OPT's MLP.</summary>
internal static class Activation
{
    /// <summary>output = canonical(max(x, 0)), elementwise.</summary>
    /// <param name="x">Values.</param>
    /// <param name="output">At least as long; may be x.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Relu(ReadOnlySpan<float> x, Span<float> output)
    {
        output = output[..x.Length];
        Vector256<float> tiny = Vector256.Create(Contract.Tiny);
        int i = 0;
        for (; i <= x.Length - 8; i += 8)
        {
            Vector256<float> v = Vector256.Create(x.Slice(i, 8));
            (v & Vector256.GreaterThanOrEqual(v, tiny)).CopyTo(output[i..]);
        }

        for (; i < x.Length; i++)
        {
            output[i] = x[i] >= Contract.Tiny ? x[i] : 0f;
        }
    }
}
