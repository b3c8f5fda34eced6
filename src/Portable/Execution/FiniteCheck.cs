using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
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

    // An exponent of all ones. (The largest magnitude of TensorPrimitives takes ten times as long: every lane asks for NaN and sign.)
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Refuse(ReadOnlySpan<float> logits)
    {
        const int Exponent = 0x7F800000;
        ReadOnlySpan<int> bits = MemoryMarshal.Cast<float, int>(logits);
        Vector256<int> exponent = Vector256.Create(Exponent), bad = Vector256<int>.Zero;
        int i = 0;
        for (; i <= bits.Length - Vector256<int>.Count; i += Vector256<int>.Count)
        {
            bad |= Vector256.Equals(Vector256.Create(bits.Slice(i, Vector256<int>.Count)) & exponent, exponent);
        }

        bool finite = bad == Vector256<int>.Zero;
        for (; i < bits.Length; i++)
        {
            finite &= (bits[i] & Exponent) != Exponent;
        }

        if (!finite)
        {
            throw new InvalidDataException("The model produced a logit that is not finite: its weights or scales overflow f32.");
        }
    }
}
