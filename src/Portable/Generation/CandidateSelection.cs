using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Generation;

/// <summary>
/// Draws a token from softmax(logits / temperature) cut to top-k, top-p and min-p, as docs/float-contract.md says: weights are
/// the integers ⌊2⁴⁰·exp(−distance to the largest)⌋, so that no order of summation matters. Likelier means less distant, among
/// equals the lower id. Nothing is sorted: the distance at which a cut falls is found digit by digit (a radix selection), what is
/// behind it loses its weight, and the draw walks the vocabulary in the order of ids.
/// </summary>
internal sealed class CandidateSelection
{
    private const double WeightScale = 1UL << 40;

    // Added to an integer below it, leaves that integer in a double's low bits.
    private const ulong Magic = 1UL << 52;

    // A draw skips whole blocks.
    private const int Block = 256;

    // Of the 31 bits of a distance, which is never negative, the most significant first.
    private static readonly (int Shift, int Bits)[] Digits = [(20, 11), (10, 10), (0, 10)];

    private readonly ulong[] _sizes = new ulong[1 << 11];
    private float[] _distances = [];
    private ulong[] _weights = [];
    private int[] _boundary = [];

    /// <summary>Draws.</summary>
    /// <param name="logits">One per token, adjusted by biases and penalties.</param>
    /// <param name="options">Temperature (over 0) and cuts.</param>
    /// <param name="random">64 random bits.</param>
    public int Draw(ReadOnlySpan<float> logits, SamplingOptions options, ulong random)
    {
        ulong total = Weigh(logits, (float)Math.Min(1 / options.Temperature, float.MaxValue));
        if (total == 0)
        {
            throw new ArgumentException("Logit biases leave no token to draw.");
        }

        if (options.TopK > 0 && options.TopK < logits.Length)
        {
            total = Keep((ulong)options.TopK, byCount: true);
        }

        if (options.TopP < 1)
        {
            total = Keep(Math.Clamp((ulong)Math.Ceiling(options.TopP * total), 1, total), byCount: false);
        }

        ulong least = (ulong)Math.Ceiling(options.MinP * WeightScale);
        if (least > 1)
        {
            total = 0;
            foreach (ref ulong weight in _weights.AsSpan())
            {
                weight = weight >= least ? weight : 0;
                total += weight;
            }
        }

        return At(Math.BigMul(random, total, out _));
    }

    // Distances and weights of all tokens; gives the sum of the weights.
    private ulong Weigh(ReadOnlySpan<float> logits, float inverse)
    {
        ReadOnlySpan<Vector256<float>> whole = MemoryMarshal.Cast<float, Vector256<float>>(logits);
        int padded = (logits.Length + VectorContract.Lanes - 1) / VectorContract.Lanes * VectorContract.Lanes;
        if (_distances.Length != padded)
        {
            (_distances, _weights, _boundary) = (new float[padded], new ulong[padded], new int[padded]);
        }

        // What is behind the vocabulary has no weight.
        Vector256<float> last = Vector256.Create(float.NegativeInfinity);
        for (int i = whole.Length * VectorContract.Lanes; i < logits.Length; i++)
        {
            last = last.WithElement(i % VectorContract.Lanes, logits[i]);
        }

        Vector256<float> largest = Vector256.Create(TensorPrimitives.Max(logits)), scale = Vector256.Create(inverse);
        Span<Vector256<float>> distances = Distances;
        Span<Vector256<ulong>> weights = Weights;
        Vector256<ulong> sum = default;
        for (int i = 0; i < distances.Length; i++)
        {
            distances[i] = (largest - (i < whole.Length ? whole[i] : last)) * scale;
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(VectorContract.ExpBelow60(-distances[i]));
            weights[2 * i] = Weight(low);
            weights[(2 * i) + 1] = Weight(high);
            sum += weights[2 * i] + weights[(2 * i) + 1];
        }

        return Vector256.Sum(sum);
    }

    private static Vector256<ulong> Weight(Vector256<double> share) =>
        (Vector256.Floor(share * Vector256.Create(WeightScale)) + Vector256.Create((double)Magic)).AsUInt64() & Vector256.Create(Magic - 1);

    // Leaves a weight only to the likeliest tokens that together are as many, or weigh as much, as wanted; gives the sum of those.
    private ulong Keep(ulong wanted, bool byCount)
    {
        ReadOnlySpan<uint> keys = MemoryMarshal.Cast<float, uint>(_distances);
        Span<ulong> weights = _weights.AsSpan(0, keys.Length);
        Span<int> boundary = _boundary.AsSpan(0, keys.Length);
        for (int i = 0; i < boundary.Length; i++)
        {
            boundary[i] = i;
        }

        // The tokens whose first digits are those of the boundary: fewer with every digit, always in the order of ids.
        foreach ((int shift, int bits) in Digits)
        {
            Span<ulong> sizes = _sizes.AsSpan(0, 1 << bits);
            sizes.Clear();
            foreach (int i in boundary)
            {
                sizes[(int)(keys[i] >> shift) & (sizes.Length - 1)] += byCount ? 1 : weights[i];
            }

            int digit = 0;
            for (; digit < sizes.Length - 1 && sizes[digit] < wanted; digit++)
            {
                wanted -= sizes[digit];
            }

            int count = 0;
            foreach (int i in boundary)
            {
                boundary[count] = i;
                count += ((int)(keys[i] >> shift) & (sizes.Length - 1)) == digit ? 1 : 0;
            }

            boundary = boundary[..count];
        }

        // All of them are equally far.
        foreach (int i in boundary)
        {
            ulong size = byCount ? 1 : weights[i];
            weights[i] = wanted > 0 ? weights[i] : 0;
            wanted -= Math.Min(wanted, size);
        }

        return KeepWithin(_distances[boundary[0]]);
    }

    private ulong KeepWithin(float distance)
    {
        Span<Vector256<float>> distances = Distances;
        Span<Vector256<ulong>> weights = Weights;
        Vector256<ulong> sum = default;
        for (int i = 0; i < distances.Length; i++)
        {
            (Vector256<long> low, Vector256<long> high) = Vector256.Widen(Vector256.LessThanOrEqual(distances[i], Vector256.Create(distance)).AsInt32());
            weights[2 * i] &= low.AsUInt64();
            weights[(2 * i) + 1] &= high.AsUInt64();
            sum += weights[2 * i] + weights[(2 * i) + 1];
        }

        return Vector256.Sum(sum);
    }

    // The token in whose weight a point of the whole falls.
    private int At(ulong point)
    {
        ReadOnlySpan<ulong> weights = _weights;
        int i = 0;
        for (; i + Block < weights.Length; i += Block)
        {
            ulong block = TensorPrimitives.Sum(weights.Slice(i, Block));
            if (point < block)
            {
                break;
            }

            point -= block;
        }

        for (; i < weights.Length; i++)
        {
            if (point < weights[i])
            {
                return i;
            }

            point -= weights[i];
        }

        throw new InvalidOperationException("The weights do not add up to their sum.");
    }

    private Span<Vector256<float>> Distances => MemoryMarshal.Cast<float, Vector256<float>>(_distances.AsSpan());

    private Span<Vector256<ulong>> Weights => MemoryMarshal.Cast<ulong, Vector256<ulong>>(_weights.AsSpan());
}
