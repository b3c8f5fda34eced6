using System.Numerics.Tensors;
using Portable.Reference.Threading;

namespace Portable.Execution;

/// <summary>Refuses results that are not numbers.</summary>
internal static class FiniteCheck
{
    // A megabyte: what one thread reads in the time in which others wake.
    private const int Piece = 1 << 18;

    /// <summary>Throws when a logit is not finite.</summary>
    /// <exception cref="InvalidDataException">A logit is NaN or infinite.</exception>
    public static unsafe void Logits(ReadOnlySpan<float> logits)
    {
        if (logits.Length < 2 * Piece)
        {
            Refuse(logits);
            return;
        }

        fixed (float* all = logits)
        {
            RefuseTogether((nint)all, logits.Length);
        }
    }

    // Apart, so that only this allocates.
    private static unsafe void RefuseTogether(nint first, int count) =>
        WorkerPool.Run((count + Piece - 1) / Piece, i => Refuse(new ReadOnlySpan<float>((float*)first + ((long)i * Piece), Math.Min(Piece, count - (i * Piece)))));

    private static void Refuse(ReadOnlySpan<float> logits)
    {
        // The largest magnitude is NaN where any value is.
        if (logits.Length > 0 && !float.IsFinite(TensorPrimitives.MaxMagnitude(logits)))
        {
            throw new InvalidDataException("The model produced a logit that is not finite: its weights or scales overflow f32.");
        }
    }
}
