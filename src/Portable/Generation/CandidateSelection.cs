using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Generation;

/// <summary>
/// Draws a token from softmax(logits / temperature) cut to top-k, top-p and min-p. A token's weight is the 40-bit integer
/// ⌊2⁴⁰·exp(z − max z)⌋, so that all sums are exact and no order of summation matters; tokens less likely than 2⁻⁴⁰ times the
/// likeliest are never drawn. Likelier means a larger z, among equals the lower id. Instead of sorting a vocabulary, tokens are
/// counted in buckets of z, and only those of the buckets that can be kept are sorted.
/// </summary>
internal sealed class CandidateSelection
{
    private const int WeightBits = 40;
    private const int BucketsPerUnit = 16;

    // exp(-27.75) · 2⁴⁰ is 0.97: nothing beyond has a weight.
    private const float Reach = 27.75f;
    private const int Buckets = (int)(Reach * BucketsPerUnit) + 1;

    private readonly int[] _counts = new int[Buckets];
    private readonly ulong[] _masses = new ulong[Buckets];
    private Candidate[] _candidates = [];
    private int _count;

    // Distance to the largest z, ≥ 0.
    private readonly record struct Candidate(int Id, float Distance, ulong Weight) : IComparable<Candidate>
    {
        public int Bucket => (int)(Distance * BucketsPerUnit);

        public int CompareTo(Candidate other) => Distance != other.Distance ? Distance.CompareTo(other.Distance) : Id.CompareTo(other.Id);
    }

    /// <summary>Draws.</summary>
    /// <param name="logits">One per token, adjusted by biases and penalties.</param>
    /// <param name="options">Temperature (over 0) and cuts.</param>
    /// <param name="random">64 random bits.</param>
    public int Draw(ReadOnlySpan<float> logits, SamplingOptions options, ulong random)
    {
        Gather(logits, (float)(1 / options.Temperature));
        Span<Candidate> kept = _candidates.AsSpan(0, _count);
        ulong total = 0;
        foreach (ulong mass in _masses)
        {
            total += mass;
        }

        if (options.TopK > 0 && options.TopK < kept.Length)
        {
            kept = Likeliest(bucket => (ulong)_counts[bucket], (ulong)options.TopK)[..options.TopK];
            total = Mass(kept);
        }

        if (options.TopP < 1)
        {
            ulong limit = Math.Clamp((ulong)Math.Ceiling(options.TopP * total), 1, total);
            if (kept.Length == _count)
            {
                kept = Likeliest(bucket => _masses[bucket], limit);
            }

            int nucleus = 0;
            for (ulong mass = 0; mass < limit; nucleus++)
            {
                mass += kept[nucleus].Weight;
            }

            kept = kept[..nucleus];
            total = Mass(kept);
        }

        ulong least = (ulong)Math.Ceiling(options.MinP * (1UL << WeightBits));
        if (least > 1)
        {
            total = 0;
            foreach (Candidate candidate in kept)
            {
                total += candidate.Weight >= least ? candidate.Weight : 0;
            }
        }

        ulong drawn = Math.BigMul(random, total, out _);
        foreach (Candidate candidate in kept)
        {
            ulong weight = candidate.Weight >= least ? candidate.Weight : 0;
            if (drawn < weight)
            {
                return candidate.Id;
            }

            drawn -= weight;
        }

        throw new InvalidOperationException("The weights do not add up to their sum.");
    }

    // All tokens with a weight, in ascending order of ids, and what their buckets hold.
    private void Gather(ReadOnlySpan<float> logits, float inverse)
    {
        if (_candidates.Length < logits.Length)
        {
            _candidates = new Candidate[logits.Length];
        }

        _counts.AsSpan().Clear();
        _masses.AsSpan().Clear();
        _count = 0;
        float maximum = TensorPrimitives.Max(logits) * inverse;
        Span<float> distances = stackalloc float[VectorContract.Lanes], weights = stackalloc float[VectorContract.Lanes];
        Vector256<float> scale = Vector256.Create(inverse), top = Vector256.Create(maximum), reach = Vector256.Create(Reach);
        for (int i = 0; i < logits.Length; i += VectorContract.Lanes)
        {
            int lanes = Math.Min(VectorContract.Lanes, logits.Length - i);
            Vector256<float> distance = top - (Load(logits.Slice(i, lanes)) * scale);
            if (!Vector256.LessThanAny(distance, reach))
            {
                continue;
            }

            distance.CopyTo(distances);
            VectorContract.ExpBelow60(-distance).CopyTo(weights);
            for (int lane = 0; lane < lanes; lane++)
            {
                if (distances[lane] < Reach)
                {
                    ulong weight = (ulong)(weights[lane] * (double)(1UL << WeightBits));
                    if (weight > 0)
                    {
                        Candidate candidate = new(i + lane, distances[lane], weight);
                        _counts[candidate.Bucket]++;
                        _masses[candidate.Bucket] += weight;
                        _candidates[_count++] = candidate;
                    }
                }
            }
        }
    }

    private static Vector256<float> Load(ReadOnlySpan<float> values)
    {
        if (values.Length == VectorContract.Lanes)
        {
            return Vector256.Create(values);
        }

        Span<float> padded = stackalloc float[VectorContract.Lanes];
        padded.Fill(float.NegativeInfinity);
        values.CopyTo(padded);
        return Vector256.Create<float>(padded);
    }

    // The candidates of the first buckets that together hold as much as asked for, likeliest first.
    private Span<Candidate> Likeliest(Func<int, ulong> size, ulong wanted)
    {
        int last = 0;
        for (ulong held = size(0); held < wanted; held += size(last))
        {
            last++;
        }

        // To the front, in order: what is behind is not looked at again.
        int count = 0;
        for (int i = 0; i < _count; i++)
        {
            if (_candidates[i].Bucket <= last)
            {
                (_candidates[count], _candidates[i]) = (_candidates[i], _candidates[count]);
                count++;
            }
        }

        Span<Candidate> front = _candidates.AsSpan(0, count);
        front.Sort();
        return front;
    }

    private static ulong Mass(ReadOnlySpan<Candidate> candidates)
    {
        ulong mass = 0;
        foreach (Candidate candidate in candidates)
        {
            mass += candidate.Weight;
        }

        return mass;
    }
}
