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

    // Below every score, and finite: the first stretch's factor of what came before is exp of it, 0.
    private float _maximum = -3.4e38f;
    private float _total, _old, _new;

    /// <summary>
    /// Integer scores to codes of the contributions e·sv, written over them as pairs of int16: high digits in the first half of the 64
    /// lanes of the scores of the high digits, low digits in those of the low digits; unseen positions get 0.
    /// </summary>
    /// <param name="scores">64 sums of the high digits, then 64 of the low digits.</param>
    /// <param name="from">The first position that the row sees, 0 … 63.</param>
    /// <param name="seen">The position behind the last that it sees, from + 1 … 64.</param>
    /// <param name="scale">Factor of the scores.</param>
    /// <param name="softcap">Softcap of the scores, 0 = none.</param>
    /// <param name="keyScales">Of the stretch's 64 positions.</param>
    /// <param name="valueScales">Likewise.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Softmax(int* scores, int from, int seen, float scale, float softcap, float* keyScales, float* valueScales)
    {
        float* s = (float*)scores;
        float inverse = 1f / softcap;
        Vector256<float> highest = Vector256.Create(float.NegativeInfinity);
        for (int t = 0; t < ChunkSize; t += 8)
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

        // Probabilities relative to the stretch's maximum, exactly 0 where unseen, and what they contribute.
        float maximum = AttentionRow.Largest(highest);
        Vector256<int> total = Vector256<int>.Zero;
        Vector256<float> largest = Vector256<float>.Zero;
        for (int t = 0; t < ChunkSize; t += 8)
        {
            Vector256<float> e = VectorContract.ExpBelow60(Vector256.Load(s + t) - Vector256.Create(maximum));
            total += Vector256.ConvertToInt32Native(Vector256.Round(e * Vector256.Create(TotalLevels)));
            Vector256<float> contribution = e * Vector256.Load(valueScales + t);
            contribution.Store(s + t);
            largest = Vector256.MaxNative(largest, contribution);
        }

        float most = AttentionRow.Largest(largest), levels = Contract.Reciprocal(most) * DigitCodes.Maximum;
        short* digits = (short*)scores;
        for (int t = 0; t < ChunkSize; t += 16)
        {
            // c = 256·⌊c/256⌋ + (c mod 256): other digits than a device's, the same exact sum.
            Vector256<short> codes = Vector256.Narrow(Code(s + t, levels), Code(s + t + 8, levels));
            (codes >>> 8).Store(digits + t);
            (codes & Vector256.Create((short)255)).Store(digits + 2 * ChunkSize + t);
        }

        // Around the larger of the maximum so far and the stretch's: one of the two factors is exactly 1.
        float around = MathF.Max(_maximum, maximum);
        _old = Contract.Exp(_maximum - around);
        float factor = Contract.Exp(maximum - around);
        _maximum = around;
        _total = _total * _old + Vector256.Sum(total) * factor;
        _new = most * Unit * factor;
    }

    /// <summary>attended = canonical(attended · old + Σ c·v · new).</summary>
    /// <param name="sums">Sums of the high digits, then of the low digits.</param>
    /// <param name="padded">Components, a multiple of 8.</param>
    /// <param name="attended">As many.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Add(int* sums, int padded, float* attended)
    {
        Vector256<float> before = Vector256.Create(_old), stretch = Vector256.Create(_new);
        for (int d = 0; d < padded; d += 8)
        {
            Vector256<float> sum = ExactSum.Nearest(Vector256.Load(sums + d), Vector256.Load(sums + padded + d));
            VectorContract.Canonical(Vector256.Load(attended + d) * before + sum * stretch).Store(attended + d);
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Code(float* contributions, float levels) =>
        Vector256.ConvertToInt32Native(Vector256.MinNative(Vector256.Round(Vector256.Load(contributions) * Vector256.Create(levels)), Vector256.Create((float)DigitCodes.Maximum)));
}
