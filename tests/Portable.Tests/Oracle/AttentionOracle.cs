using Portable.Reference.Arithmetic;

namespace Portable.Tests.Oracle;

/// <summary>
/// Attention of one query over lists of keys and values, one number at a time in the order of the contract. Of the product it
/// uses only the scalar definitions that the contract is stated in (<see cref="Contract"/>).
/// </summary>
internal static class AttentionOracle
{
    /// <summary>f32 cache.</summary>
    /// <param name="q">The query.</param>
    /// <param name="keys">Keys of the positions that it sees.</param>
    /// <param name="values">Their values.</param>
    /// <param name="score">A score of a product of query and key.</param>
    /// <param name="first">Position of the first key.</param>
    public static float[] Float(float[] q, List<float[]> keys, List<float[]> values, Func<float, float> score, int first = 0)
    {
        float[] scores = [.. keys.Select(k =>
        {
            float sum = 0;
            for (int d = 0; d < q.Length; d++)
            {
                float product = q[d] * k[d];
                sum += product;
            }

            return score(sum);
        })];
        float maximum = scores.Max(), total = 0;
        float[] output = new float[q.Length];
        for (int chunk = 0; chunk < first + keys.Count; chunk += 64)
        {
            float length = 0;
            float[] partial = new float[q.Length];
            for (int t = Math.Max(chunk - first, 0); t < Math.Min(chunk + 64 - first, keys.Count); t++)
            {
                float p = Contract.Exp(scores[t] - maximum);
                length += p;
                for (int d = 0; d < q.Length; d++)
                {
                    float product = p * values[t][d];
                    partial[d] += product;
                }
            }

            total += length;
            for (int d = 0; d < q.Length; d++)
            {
                output[d] += partial[d];
            }
        }

        float r = Contract.Reciprocal(total);
        return [.. output.Select(o => Contract.Canonical(o * r))];
    }

    /// <summary>2…8-bit cache.</summary>
    public static float[] Integer(float[] q, List<float[]> keys, List<float[]> values, int bits, Func<float, float> score)
    {
        (float Scale, long[] Codes) query = Quantize(q, bits);
        (float Scale, long[] Codes)[] k = [.. keys.Select(x => Quantize(x, bits))], v = [.. values.Select(x => Quantize(x, bits))];
        float[] scores = [.. k.Select(key => score(key.Codes.Zip(query.Codes, (a, b) => a * b).Sum() * (query.Scale * key.Scale)))];
        float maximum = scores.Max(), largest = v.Max(x => x.Scale), inverse = Contract.Reciprocal(largest);
        long total = 0;
        long[] high = new long[q.Length], low = new long[q.Length];
        for (int t = 0; t < scores.Length; t++)
        {
            float p = Contract.Exp(scores[t] - maximum);
            total += (long)MathF.Round(p * 65535f);
            long code = Math.Min((long)MathF.Round(p * (v[t].Scale * inverse) * 65535f), 65535);
            for (int d = 0; d < q.Length; d++)
            {
                high[d] += code / 256 * v[t].Codes[d];
                low[d] += code % 256 * v[t].Codes[d];
            }
        }

        float r = Contract.Reciprocal((float)total);
        return [.. high.Select((h, d) => Contract.Canonical(((float)h * 256f + (float)low[d]) * largest * r))];
    }

    /// <summary>16-bit cache: exact integers of whole codes, digits nowhere.</summary>
    public static float[] Digits(float[] q, List<float[]> keys, List<float[]> values, Func<float, float>? score = null, int position = 0)
    {
        score ??= s => Contract.Canonical(s * (float)(1 / Math.Sqrt(q.Length)));
        (float Scale, long[] Codes) query = Symmetric(q);
        (float Scale, long[] Codes)[] k = [.. keys.Select(Symmetric)], v = [.. values.Select(Symmetric)];
        float maximum = 0, total = 0;
        float[] attended = new float[q.Length];
        for (int first = 0, end; first < keys.Count; first = end)
        {
            // Stretches end at multiples of 64 positions, wherever the first key stands.
            end = Math.Min((position + first) / 64 * 64 + 64 - position, keys.Count);
            float[] scores = [.. k[first..end].Select(key => score(Nearest(key.Codes.Zip(query.Codes, (a, b) => a * b).Sum()) * (query.Scale * key.Scale)))];
            float highest = scores.Max();
            float[] e = [.. scores.Select(s => Contract.Exp(s - highest))], contribution = [.. e.Zip(v[first..end], (p, x) => p * x.Scale)];
            float largest = contribution.Max(), levels = Contract.Reciprocal(largest) * 32639f;
            long[] codes = [.. contribution.Select(c => Math.Min((long)MathF.Round(c * levels), 32639))];
            long mass = e.Sum(p => (long)MathF.Round(p * 4194304f));
            float around = first == 0 ? highest : MathF.Max(maximum, highest), old = first == 0 ? 0 : Contract.Exp(maximum - around), factor = Contract.Exp(highest - around);
            float unit = largest * (4194304f / 32639f) * factor;
            maximum = around;
            total = total * old + Nearest(mass) * factor;
            for (int d = 0; d < q.Length; d++)
            {
                long sum = codes.Select((c, t) => c * v[first + t].Codes[d]).Sum();
                attended[d] = Contract.Canonical(attended[d] * old + Nearest(sum) * unit);
            }
        }

        float r = Contract.Reciprocal(total);
        return [.. attended.Select(a => Contract.Canonical(a * r))];

        // Integers below 2^53: exact as double, then one rounding.
        static float Nearest(long i) => (float)(double)i;
    }

    /// <summary>Attention in double precision over the values as they are.</summary>
    public static double[] Real(float[] q, List<float[]> keys, List<float[]> values)
    {
        double[] scores = [.. keys.Select(k => k.Zip(q, (a, b) => (double)a * b).Sum() / Math.Sqrt(q.Length))];
        double[] p = [.. scores.Select(s => Math.Exp(s - scores.Max()))];
        return [.. q.Select((_, d) => p.Zip(values, (w, v) => w * v[d]).Sum() / p.Sum())];
    }

    private static (float Scale, long[] Codes) Symmetric(float[] x)
    {
        float scale = MathF.Min(MathF.Max(x.Max(MathF.Abs) * (1f / 32639), 5.9604645e-8f), 16384f), r = Contract.Reciprocal(scale);
        return (scale, [.. x.Select(v => (long)Math.Clamp(MathF.Round(v * r), -32639f, 32639f))]);
    }

    private static (float Scale, long[] Codes) Quantize(float[] x, int bits)
    {
        float lo = MathF.Min(0, x.Min()), hi = MathF.Max(0, x.Max()), levels = (1 << bits) - 1;
        float scale = MathF.Min(MathF.Max((hi - lo) * (1f / levels), 5.9604645e-8f), 16384f), r = Contract.Reciprocal(scale);
        float zero = Math.Clamp(MathF.Round(-lo * r), 0, levels);
        return (scale, [.. x.Select(v => (long)Math.Clamp(MathF.Round(v * r) + zero, 0, levels) - (long)zero)]);
    }
}
