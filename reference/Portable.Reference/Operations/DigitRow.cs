using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>What a query row of <see cref="DigitAttention"/> carries from stretch to stretch; the equations are those of docs/float-contract.md.</summary>
internal unsafe struct DigitRow(float queryScale)
{
    private const int ChunkSize = KeyValueCache.ChunkSize;

    /// <summary>Levels of a probability in the total: 64 · 2^22 stay below 2^31.</summary>
    private const float TotalLevels = 1 << 22;

    /// <summary>What a code of a contribution relative to 1 is in units of the total.</summary>
    private const float Unit = TotalLevels / DigitCodes.Maximum;

    // Positions that are looked at together, so that what is unseen at the end of a stretch is left out in whole vectors.
    private const int Step = 16;

    // Below every score, and finite: the first stretch's factor of what came before is exp of it, 0.
    private float _maximum = -3.4e38f;
    private float _total, _old, _new;

    // Of the stretch at hand.
    private float _peak, _most;
    private int _mass;

    /// <summary>The stretch at hand, once its contributions are codes.</summary>
    public readonly DigitStretch Stretch => new(_peak, _most, _mass);

    /// <summary>Integer scores to f32, written over the sums of the high digits; −∞ where unseen among those that are looked at.</summary>
    /// <remarks>A stretch goes through this, <see cref="Weigh"/> and <see cref="Encode"/>: rows of a piece one step after the other, since each step of one row is a long chain of operations that wait for each other.</remarks>
    /// <param name="scores">64 sums of the high digits, then 64 of the low digits.</param>
    /// <param name="from">The first position that the row sees, 0 … 63.</param>
    /// <param name="seen">The position behind the last that it sees, from + 1 … 64.</param>
    /// <param name="scale">Factor of the scores.</param>
    /// <param name="softcap">Softcap of the scores, 0 = none.</param>
    /// <param name="keyScales">Of the stretch's 64 positions.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Score(int* scores, int from, int seen, float scale, float softcap, float* keyScales)
    {
        float* s = (float*)scores;
        float inverse = 1f / softcap;
        int end = End(seen);
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<float> peak = Vector512.Create(float.NegativeInfinity), queryScales = Vector512.Create(queryScale), scales = Vector512.Create(scale);
            for (int t = 0; t < end; t += VectorContract.WideLanes)
            {
                Vector512<float> score = VectorContract.Canonical(ExactSum.Nearest(Vector512.Load(scores + t), Vector512.Load(scores + ChunkSize + t)) * (queryScales * Vector512.Load(keyScales + t)) * scales);
                score = softcap == 0 ? score : VectorContract.Softcap(score, softcap, inverse);
                if (t < from || t + VectorContract.WideLanes > seen)
                {
                    Vector512<int> position = Vector512.Create(t) + Vector512<int>.Indices;
                    Vector512<int> visible = Vector512.LessThan(position, Vector512.Create(seen)) & Vector512.GreaterThanOrEqual(position, Vector512.Create(from));
                    score = Vector512.ConditionalSelect(visible.AsSingle(), score, Vector512.Create(float.NegativeInfinity));
                }

                score.Store(s + t);
                peak = Vector512.MaxNative(peak, score);
            }

            _peak = AttentionRow.Largest(Vector256.MaxNative(peak.GetLower(), peak.GetUpper()));
            return;
        }

        Vector256<float> highest = Vector256.Create(float.NegativeInfinity);
        for (int t = 0; t < end; t += VectorContract.Lanes)
        {
            Vector256<float> product = ExactSum.Nearest(Vector256.Load(scores + t), Vector256.Load(scores + ChunkSize + t)) * (Vector256.Create(queryScale) * Vector256.Load(keyScales + t));
            Vector256<float> score = VectorContract.Canonical(product * Vector256.Create(scale));
            score = softcap == 0 ? score : VectorContract.Softcap(score, softcap, inverse);
            Vector256<int> position = Vector256.Create(t) + Vector256<int>.Indices;
            Vector256<float> visible = (Vector256.LessThan(position, Vector256.Create(seen)) & Vector256.GreaterThanOrEqual(position, Vector256.Create(from))).AsSingle();
            score = Vector256.ConditionalSelect(visible, score, Vector256.Create(float.NegativeInfinity));
            score.Store(s + t);
            highest = Vector256.MaxNative(highest, score);
        }

        _peak = AttentionRow.Largest(highest);
    }

    /// <summary>Scores to contributions e·sv, probabilities relative to the stretch's largest score and exactly 0 where unseen.</summary>
    /// <param name="scores">As <see cref="Score"/> left them.</param>
    /// <param name="seen">The same.</param>
    /// <param name="valueScales">Of the stretch's 64 positions.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Weigh(int* scores, int seen, float* valueScales)
    {
        float* s = (float*)scores;
        int end = End(seen);
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<int> mass = Vector512<int>.Zero;
            Vector512<float> most = Vector512<float>.Zero, peak = Vector512.Create(_peak);
            for (int t = 0; t < end; t += VectorContract.WideLanes)
            {
                Vector512<float> e = VectorContract.ExpBelow60(Vector512.Load(s + t) - peak);
                mass += Vector512.ConvertToInt32Native(Vector512.Round(e * Vector512.Create(TotalLevels)));
                Vector512<float> contribution = e * Vector512.Load(valueScales + t);
                contribution.Store(s + t);
                most = Vector512.MaxNative(most, contribution);
            }

            _mass = Vector512.Sum(mass);
            _most = AttentionRow.Largest(Vector256.MaxNative(most.GetLower(), most.GetUpper()));
            return;
        }

        Vector256<int> total = Vector256<int>.Zero;
        Vector256<float> largest = Vector256<float>.Zero;
        for (int t = 0; t < end; t += VectorContract.Lanes)
        {
            Vector256<float> e = VectorContract.ExpBelow60(Vector256.Load(s + t) - Vector256.Create(_peak));
            total += Vector256.ConvertToInt32Native(Vector256.Round(e * Vector256.Create(TotalLevels)));
            Vector256<float> contribution = e * Vector256.Load(valueScales + t);
            contribution.Store(s + t);
            largest = Vector256.MaxNative(largest, contribution);
        }

        _mass = Vector256.Sum(total);
        _most = AttentionRow.Largest(largest);
    }

    /// <summary>
    /// Contributions to codes, written over them as pairs of int16: high digits in the first half of the 64 lanes of the scores of the
    /// high digits, low digits in those of the low digits; unseen positions get 0.
    /// </summary>
    /// <param name="scores">As <see cref="Weigh"/> left them.</param>
    /// <param name="seen">The same.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Encode(int* scores, int seen)
    {
        float* s = (float*)scores;
        float levels = Contract.Reciprocal(_most) * DigitCodes.Maximum;
        short* digits = (short*)scores;
        int end = End(seen);
        for (int t = 0; t < end; t += Step)
        {
            // c = 256·⌊c/256⌋ + (c mod 256): other digits than a device's, the same exact sum.
            Vector256<short> codes = Codes(s + t, levels);
            (codes >>> 8).Store(digits + t);
            (codes & Vector256.Create((short)255)).Store(digits + 2 * ChunkSize + t);
        }

        for (int t = end; t < ChunkSize; t += Step)
        {
            Vector256<short>.Zero.Store(digits + t);
            Vector256<short>.Zero.Store(digits + 2 * ChunkSize + t);
        }
    }

    /// <summary>Makes the stretch the next one of the row: adds its mass to the row's, and finds the factors with which it is added.</summary>
    /// <param name="stretch">As <see cref="Stretch"/> had it.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Take(DigitStretch stretch)
    {
        // Around the larger of the maximum so far and the stretch's: one of the two factors is exp of 0, which is exactly 1.
        (float peak, float most, int mass) = stretch;
        _old = _maximum >= peak ? 1f : Contract.Exp(_maximum - peak);
        float factor = peak >= _maximum ? 1f : Contract.Exp(peak - _maximum);
        _maximum = MathF.Max(_maximum, peak);
        _total = _total * _old + mass * factor;
        _new = most * Unit * factor;
    }

    /// <summary>attended = canonical(attended · old + Σ c·v · new).</summary>
    /// <param name="sums">Sums of the high digits, then of the low digits.</param>
    /// <param name="padded">Components, a multiple of 16.</param>
    /// <param name="attended">As many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Add(int* sums, int padded, float* attended)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<float> old = Vector512.Create(_old), add = Vector512.Create(_new);
            for (int d = 0; d < padded; d += VectorContract.WideLanes)
            {
                Vector512<float> sum = ExactSum.Nearest(Vector512.Load(sums + d), Vector512.Load(sums + padded + d));
                VectorContract.Canonical(Vector512.Load(attended + d) * old + sum * add).Store(attended + d);
            }

            return;
        }

        Vector256<float> before = Vector256.Create(_old), stretch = Vector256.Create(_new);
        for (int d = 0; d < padded; d += 8)
        {
            Vector256<float> sum = ExactSum.Nearest(Vector256.Load(sums + d), Vector256.Load(sums + padded + d));
            VectorContract.Canonical(Vector256.Load(attended + d) * before + sum * stretch).Store(attended + d);
        }
    }

    /// <summary>The same of sums that are rounded already (<see cref="Round"/>).</summary>
    /// <param name="sums">Σ c·v of each component.</param>
    /// <param name="padded">Components, a multiple of 16.</param>
    /// <param name="attended">As many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Add(float* sums, int padded, float* attended)
    {
        Vector256<float> before = Vector256.Create(_old), stretch = Vector256.Create(_new);
        for (int d = 0; d < padded; d += VectorContract.Lanes)
        {
            VectorContract.Canonical(Vector256.Load(attended + d) * before + Vector256.Load(sums + d) * stretch).Store(attended + d);
        }
    }

    /// <summary>Exact sums, each rounded once.</summary>
    /// <param name="sums">Sums of the high digits, then of the low digits.</param>
    /// <param name="padded">Components, a multiple of 16.</param>
    /// <param name="rounded">As many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Round(int* sums, int padded, float* rounded)
    {
        for (int d = 0; d < padded; d += VectorContract.Lanes)
        {
            ExactSum.Nearest(Vector256.Load(sums + d), Vector256.Load(sums + padded + d)).Store(rounded + d);
        }
    }

    /// <summary>canonical(attended · 1/total).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Finish(float* attended, Span<float> output)
    {
        float r = Contract.Reciprocal(_total);
        int d = 0;
        for (; d <= output.Length - VectorContract.Lanes; d += VectorContract.Lanes)
        {
            VectorContract.Canonical(Vector256.Load(attended + d) * Vector256.Create(r)).CopyTo(output[d..]);
        }

        for (; d < output.Length; d++)
        {
            output[d] = Contract.Canonical(attended[d] * r);
        }
    }

    private static int End(int seen) => (seen + Step - 1) / Step * Step;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<short> Codes(float* contributions, float levels)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<float> wide = Vector512.MinNative(Vector512.Round(Vector512.Load(contributions) * Vector512.Create(levels)), Vector512.Create((float)DigitCodes.Maximum));
            Vector512<int> codes = Vector512.ConvertToInt32Native(wide);
            return Vector256.Narrow(codes.GetLower(), codes.GetUpper());
        }

        return Vector256.Narrow(Code(contributions, levels), Code(contributions + VectorContract.Lanes, levels));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Code(float* contributions, float levels) =>
        Vector256.ConvertToInt32Native(Vector256.MinNative(Vector256.Round(Vector256.Load(contributions) * Vector256.Create(levels)), Vector256.Create((float)DigitCodes.Maximum)));
}

/// <summary>What a row keeps of a stretch of 64 positions beside its sums.</summary>
/// <param name="Peak">Its largest score.</param>
/// <param name="Most">Its largest contribution.</param>
/// <param name="Mass">Σ of its probabilities relative to the peak, in units of 2^-22.</param>
internal readonly record struct DigitStretch(float Peak, float Most, int Mass);
