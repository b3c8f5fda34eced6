using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>The softcap of logits.</summary>
internal static class LogitSoftcap
{
    /// <summary>x = canonical(c·tanh(x/c)), elementwise.</summary>
    /// <param name="logits">Values, changed in place.</param>
    /// <param name="cap">c.</param>
    public static void Apply(Span<float> logits, float cap)
    {
        float inverse = 1f / cap;
        int i = 0;
        for (; i <= logits.Length - VectorContract.Lanes; i += VectorContract.Lanes)
        {
            VectorContract.Softcap(Vector256.Create<float>(logits.Slice(i, VectorContract.Lanes)), cap, inverse).CopyTo(logits[i..]);
        }

        for (; i < logits.Length; i++)
        {
            logits[i] = Contract.Softcap(logits[i], cap, inverse);
        }
    }
}
