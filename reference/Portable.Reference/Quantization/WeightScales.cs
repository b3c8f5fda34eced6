using System.Collections;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Quantization;

/// <summary>The numbers that a weight scale may be.</summary>
public enum ScaleFormat
{
    /// <summary>Any f32 within <see cref="Contract.MinimumScale"/> … <see cref="Contract.MaximumScale"/> (version 1 of the checkpoint format).</summary>
    Single,

    /// <summary>The same with 11 significant bits, so that two bytes hold one (version 2).</summary>
    Half,
}

/// <summary>
/// The scales of a matrix of weights, in the order [n × scale groups + group]: as halves where halves hold all of them, else as f32.
/// </summary>
/// <remarks>
/// A half h stands for h·2^-10: normal halves reach from 2^-14 to 65504, so scales from 2^-24, the contract's smallest, to 63.97
/// have a normal half each, and its f32 is integer arithmetic that no device can get wrong: bits(s) = (h &lt;&lt; 13) + (102 &lt;&lt; 23).
/// Subnormal halves do not occur. A matrix with a larger scale than 63.97 (weights beyond 16,000 at 8 bits) keeps f32.
/// </remarks>
public sealed class WeightScales : IReadOnlyList<float>
{
    /// <summary>What is added to the exponent of a half's value: a scale is half · 2^-10.</summary>
    public const int HalfExponent = -10;

    /// <summary>What makes the f32 of a scale from its half, moved up by 13 bits.</summary>
    internal const int HalfBias = (127 - 15 + HalfExponent) << 23;

    private const ushort SmallestHalf = 0x0400, LargestHalf = 0x7BFF;
    private const int DroppedBits = 13;

    private readonly ReadOnlyMemory<ushort> _halves;
    private readonly float[]? _singles;

    private WeightScales(ReadOnlyMemory<ushort> halves, float[]? singles) => (_halves, _singles) = (halves, singles);

    /// <summary>Whether two bytes hold each.</summary>
    public ScaleFormat Format => _singles is not null ? ScaleFormat.Single : ScaleFormat.Half;

    /// <inheritdoc/>
    public int Count => _singles?.Length ?? _halves.Length;

    /// <summary>The halves, or empty where scales are f32.</summary>
    public ReadOnlySpan<ushort> Halves => _halves.Span;

    /// <summary>The f32, or empty where scales are halves.</summary>
    public ReadOnlySpan<float> Singles => _singles;

    /// <summary>Bytes in memory.</summary>
    public long Bytes => Count * (_singles is not null ? 4L : 2L);

    /// <inheritdoc/>
    public float this[int index] => _singles is { } singles ? singles[index] : FromHalf(_halves.Span[index]);

    /// <summary>Scales from f32: halves where all of them are exactly that.</summary>
    public static implicit operator WeightScales(float[] scales) => FromSingles(scales);

    /// <summary>Scales from f32: halves where all of them are exactly that.</summary>
    public static WeightScales FromSingles(float[] scales)
    {
        ArgumentNullException.ThrowIfNull(scales);
        ushort[] halves = new ushort[scales.Length];
        for (int i = 0; i < scales.Length; i++)
        {
            int bits = BitConverter.SingleToInt32Bits(scales[i]), half = (bits - HalfBias) >> DroppedBits;
            if ((bits & ((1 << DroppedBits) - 1)) != 0 || half is < SmallestHalf or > LargestHalf)
            {
                return new WeightScales(default, scales);
            }

            halves[i] = (ushort)half;
        }

        return new WeightScales(halves, null);
    }

    /// <summary>Scales from halves.</summary>
    /// <param name="halves">Each <see cref="IsScale"/>.</param>
    public static WeightScales FromHalves(ushort[] halves)
    {
        ArgumentNullException.ThrowIfNull(halves);
        return FromHalves(halves.AsMemory());
    }

    /// <summary>Scales from halves, wherever they lie.</summary>
    /// <param name="halves">Each <see cref="IsScale"/>; they do not change.</param>
    internal static WeightScales FromHalves(ReadOnlyMemory<ushort> halves) =>
        FirstThatIsNone(halves.Span) < 0 ? new WeightScales(halves, null) : throw new ArgumentException("A half that is no normal positive number is no scale.", nameof(halves));

    /// <summary>Whether a half is a scale: positive, normal, finite.</summary>
    public static bool IsScale(ushort half) => half is >= SmallestHalf and <= LargestHalf;

    /// <summary>Index of the first half that is no scale, or −1.</summary>
    internal static int FirstThatIsNone(ReadOnlySpan<ushort> halves) => halves.IndexOfAnyExceptInRange(SmallestHalf, LargestHalf);

    /// <summary>The scale of a half.</summary>
    public static float FromHalf(ushort half) => BitConverter.Int32BitsToSingle((half << DroppedBits) + HalfBias);

    /// <summary>The nearest scale of a format, ties to even, within the contract's range.</summary>
    /// <param name="scale">Any number.</param>
    /// <param name="format">The numbers to choose from.</param>
    public static float Nearest(double scale, ScaleFormat format)
    {
        float clamped = (float)Math.Clamp(scale, Contract.MinimumScale, Contract.MaximumScale);
        if (format == ScaleFormat.Single)
        {
            return clamped;
        }

        int bits = BitConverter.SingleToInt32Bits(clamped);
        bits += (1 << (DroppedBits - 1)) - 1 + ((bits >> DroppedBits) & 1);
        return BitConverter.Int32BitsToSingle(bits & -(1 << DroppedBits));
    }

    /// <inheritdoc/>
    public IEnumerator<float> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
        {
            yield return this[i];
        }
    }

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary><see cref="FromHalf(ushort)"/> of eight.</summary>
    internal static Vector256<float> FromHalf(Vector128<ushort> halves) =>
        (Vector256.ShiftLeft(Vector256.WidenLower(halves.ToVector256Unsafe()).AsInt32(), DroppedBits) + Vector256.Create(HalfBias)).AsSingle();

    /// <summary>Eight neighbours.</summary>
    /// <param name="index">The first; seven more exist.</param>
    internal Vector256<float> Eight(int index) => _singles is { } singles
        ? Vector256.Create(singles.AsSpan(index, 8))
        : FromHalf(Vector128.Create(_halves.Span.Slice(index, 8)));
}
