using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Reference.Training;

/// <summary>Scale, its reciprocal and zero point of one row (a weight channel or group, a token, or a token's head).</summary>
/// <param name="Scale">s, within the contract's range.</param>
/// <param name="Reciprocal">The contract's reciprocal of s.</param>
/// <param name="ZeroPoint">z, an integer in 0 … the largest code.</param>
/// <param name="ScaleIsFree">False where the clamp of the scale acts, so that no gradient reaches the range through it.</param>
/// <param name="Minimum">min(0, min x) before clipping.</param>
/// <param name="Maximum">max(0, max x) before clipping.</param>
internal readonly record struct AffineRange(float Scale, float Reciprocal, float ZeroPoint, bool ScaleIsFree, float Minimum, float Maximum);

/// <summary>
/// The asymmetric quantizer of the runtime, forward and backward: what training sees is what runs.
/// </summary>
/// <remarks>
/// Forward, with L the largest code and clip factors c_lo, c_hi in (0, 1] (1 for activations):
/// lo = c_lo·min(0, min x), hi = c_hi·max(0, max x), s = clamp((hi − lo)/L), z = clamp(round(−lo/s), 0, L),
/// q = clamp(round(x/s) + z, 0, L), x̂ = s·(q − z). Backward is straight-through (ABQ-LLM, OmniQuant):
/// inside the clamp ∂x̂/∂x = 1 and ∂x̂/∂s = round(x/s) − x/s; clipped low 0 and −z; clipped high 0 and L − z; z carries no
/// gradient; ∂s/∂hi = 1/L, ∂s/∂lo = −1/L, and the elements that attain the extremes share that gradient equally.
/// Sums over a row run in eight fixed partial sums, so results do not depend on the vector width of the machine.
/// </remarks>
internal static class AffineQuantization
{
    /// <summary>Finds the range of a row.</summary>
    /// <param name="x">The row.</param>
    /// <param name="levels">L, the largest code.</param>
    /// <param name="clipLow">c_lo.</param>
    /// <param name="clipHigh">c_hi.</param>
    /// <param name="scales">What s is rounded to, where the row is of weights.</param>
    public static AffineRange Range(ReadOnlySpan<float> x, int levels, float clipLow = 1, float clipHigh = 1, ScaleFormat scales = ScaleFormat.Single)
    {
        (float minimum, float maximum) = Extremes(x);
        float lo = clipLow * minimum, hi = clipHigh * maximum;
        float raw = (hi - lo) * (1f / levels);
        float scale = WeightScales.Nearest(raw, scales);
        float reciprocal = Contract.Reciprocal(scale);
        float zero = MathF.Min(MathF.Max(MathF.Round(-lo * reciprocal), 0), levels);
        return new AffineRange(scale, reciprocal, zero, raw is >= Contract.MinimumScale and <= Contract.MaximumScale, minimum, maximum);
    }

    /// <summary>x̂ of a row.</summary>
    public static void Dequantized(ReadOnlySpan<float> x, Span<float> result, int levels, in AffineRange range)
    {
        ref float source = ref MemoryMarshal.GetReference(x);
        ref float target = ref MemoryMarshal.GetReference(result);
        Vector256<float> reciprocal = Vector256.Create(range.Reciprocal), scale = Vector256.Create(range.Scale);
        Vector256<float> zero = Vector256.Create(range.ZeroPoint), top = Vector256.Create((float)levels);
        int k = 0;
        for (; k <= x.Length - Vector256<float>.Count; k += Vector256<float>.Count)
        {
            Vector256<float> code = Vector256.Round(Vector256.LoadUnsafe(ref source, (nuint)k) * reciprocal) + zero;
            code = Vector256.Min(Vector256.Max(code, Vector256<float>.Zero), top);
            ((code - zero) * scale).StoreUnsafe(ref target, (nuint)k);
        }

        for (; k < x.Length; k++)
        {
            result[k] = (Code(x[k], levels, range) - range.ZeroPoint) * range.Scale;
        }
    }

    /// <summary>The code of one value, 0 … <paramref name="levels"/>.</summary>
    public static float Code(float value, int levels, in AffineRange range) =>
        MathF.Min(MathF.Max(MathF.Round(value * range.Reciprocal) + range.ZeroPoint, 0), levels);

    /// <summary>Gradient of a row. <paramref name="gradient"/> holds ∂/∂x̂ on entry and ∂/∂x on return.</summary>
    /// <returns>∂/∂c_lo and ∂/∂c_hi.</returns>
    public static (float ClipLow, float ClipHigh) Backward(ReadOnlySpan<float> x, Span<float> gradient, int levels, in AffineRange range, float clipLow = 1, float clipHigh = 1)
    {
        float slope = ScaleGradient(x, gradient, levels, range);
        if (!range.ScaleIsFree)
        {
            return (0, 0);
        }

        float toHigh = slope * (1f / levels), toLow = -toHigh;
        Share(x, gradient, range.Maximum, toHigh * clipHigh);
        Share(x, gradient, range.Minimum, toLow * clipLow);
        return (toLow * range.Minimum, toHigh * range.Maximum);
    }

    private static float ScaleGradient(ReadOnlySpan<float> x, Span<float> gradient, int levels, in AffineRange range)
    {
        ref float source = ref MemoryMarshal.GetReference(x);
        ref float target = ref MemoryMarshal.GetReference(gradient);
        Vector256<float> reciprocal = Vector256.Create(range.Reciprocal), zero = Vector256.Create(range.ZeroPoint);
        Vector256<float> top = Vector256.Create((float)levels), sum = default;
        int k = 0;
        for (; k <= x.Length - Vector256<float>.Count; k += Vector256<float>.Count)
        {
            Vector256<float> ratio = Vector256.LoadUnsafe(ref source, (nuint)k) * reciprocal;
            Vector256<float> code = Vector256.Round(ratio) + zero;
            Vector256<float> clamped = Vector256.Min(Vector256.Max(code, Vector256<float>.Zero), top);
            Vector256<float> inside = Vector256.Equals(code, clamped);
            Vector256<float> g = Vector256.LoadUnsafe(ref target, (nuint)k);
            Vector256<float> level = clamped - zero;
            sum += g * Vector256.ConditionalSelect(inside, level - ratio, level);
            (g & inside).StoreUnsafe(ref target, (nuint)k);
        }

        Span<float> partial = stackalloc float[Vector256<float>.Count];
        sum.CopyTo(partial);
        for (int lane = 0; k < x.Length; k++, lane++)
        {
            float ratio = x[k] * range.Reciprocal;
            float code = MathF.Round(ratio) + range.ZeroPoint;
            float clamped = MathF.Min(MathF.Max(code, 0), levels);
            float level = clamped - range.ZeroPoint;
            partial[lane] += gradient[k] * (code == clamped ? level - ratio : level);
            gradient[k] = code == clamped ? gradient[k] : 0;
        }

        return RowMath.Halve(partial);
    }

    private static void Share(ReadOnlySpan<float> x, Span<float> gradient, float extreme, float amount)
    {
        // A range that ends at the forced 0 belongs to no element.
        if (extreme == 0)
        {
            return;
        }

        int ties = x.Count(extreme);
        for (int k = x.IndexOf(extreme), left = ties; left > 0; k++)
        {
            if (x[k] == extreme)
            {
                gradient[k] += amount / ties;
                left--;
            }
        }
    }

    private static (float Minimum, float Maximum) Extremes(ReadOnlySpan<float> x)
    {
        ref float source = ref MemoryMarshal.GetReference(x);
        Vector256<float> low = default, high = default;
        int k = 0;
        for (; k <= x.Length - Vector256<float>.Count; k += Vector256<float>.Count)
        {
            Vector256<float> v = Vector256.LoadUnsafe(ref source, (nuint)k);
            low = Vector256.Min(low, v);
            high = Vector256.Max(high, v);
        }

        float minimum = 0, maximum = 0;
        for (int lane = 0; lane < Vector256<float>.Count; lane++)
        {
            minimum = MathF.Min(minimum, low[lane]);
            maximum = MathF.Max(maximum, high[lane]);
        }

        for (; k < x.Length; k++)
        {
            minimum = MathF.Min(minimum, x[k]);
            maximum = MathF.Max(maximum, x[k]);
        }

        return (minimum, maximum);
    }
}
