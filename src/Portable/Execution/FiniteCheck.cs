using System.Numerics.Tensors;

namespace Portable.Execution;

/// <summary>NaN and infinity are errors, never results.</summary>
internal static class FiniteCheck
{
    /// <summary>Throws when a logit is not finite.</summary>
    /// <exception cref="InvalidDataException">A logit is NaN or infinite.</exception>
    public static void Logits(ReadOnlySpan<float> logits)
    {
        // The largest magnitude is NaN where any value is.
        if (logits.Length > 0 && !float.IsFinite(TensorPrimitives.MaxMagnitude(logits)))
        {
            throw new InvalidDataException("The model produced a logit that is not finite: its weights or scales overflow f32.");
        }
    }
}
