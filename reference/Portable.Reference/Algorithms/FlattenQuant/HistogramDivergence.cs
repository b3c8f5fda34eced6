using System.Numerics.Tensors;
using Portable.Reference.Operations;

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>
/// Kullback–Leibler divergence between the distributions of a layer's exact and quantized outputs, nats: equal bins over the
/// range of the exact values, other values in the end bins, every bin given 10⁻⁸ before normalising.
/// </summary>
internal sealed class HistogramDivergence
{
    /// <summary>Bins where nothing else is said.</summary>
    public const int BinCount = 2048;

    private const double Smoothing = 1e-8;
    private readonly long[] _reference;
    private readonly long[] _quantized;

    /// <summary>Creates empty histograms.</summary>
    /// <param name="minimum">Smallest exact value.</param>
    /// <param name="maximum">Largest exact value.</param>
    /// <param name="bins">Number of bins.</param>
    public HistogramDivergence(float minimum, float maximum, int bins = BinCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bins, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maximum, minimum);
        Minimum = minimum;
        BinsPerUnit = maximum > minimum ? bins / ((double)maximum - minimum) : 0;
        _reference = new long[bins];
        _quantized = new long[bins];
    }

    /// <summary>The smallest exact value.</summary>
    public double Minimum { get; }

    /// <summary>Bins of a unit.</summary>
    public double BinsPerUnit { get; }

    /// <summary>How many exact and how many quantized outputs each bin holds.</summary>
    public IEnumerable<(long Exact, long Quantized)> Counts => _reference.Zip(_quantized);

    /// <summary>Adds what a device has counted.</summary>
    /// <param name="exact">Exact outputs of each bin.</param>
    /// <param name="quantized">Quantized ones.</param>
    public void AddCounts(ReadOnlySpan<uint> exact, ReadOnlySpan<uint> quantized)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(exact.Length, _reference.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(quantized.Length, _quantized.Length);
        for (int i = 0; i < exact.Length; i++)
        {
            _reference[i] += exact[i];
            _quantized[i] += quantized[i];
        }
    }

    /// <summary>Counts outputs.</summary>
    public unsafe void Add(ReadOnlySpan<float> exact, ReadOnlySpan<float> quantized)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(quantized.Length, exact.Length);
        Lock counted = new();
        fixed (float* first = exact, second = quantized)
        {
            float* y = first, q = second;
            RowRanges.Run(exact.Length, 1, (start, count) =>
            {
                long[] reference = new long[_reference.Length], approximate = new long[_quantized.Length];
                for (int i = start; i < start + count; i++)
                {
                    reference[Bin(y[i])]++;
                    approximate[Bin(q[i])]++;
                }

                lock (counted)
                {
                    TensorPrimitives.Add(_reference, reference, _reference);
                    TensorPrimitives.Add(_quantized, approximate, _quantized);
                }
            });
        }
    }

    /// <summary>KL(exact ‖ quantized) of what was counted.</summary>
    public double Divergence()
    {
        double countP = Total(_reference), countQ = Total(_quantized), sum = 0, normal = 1 + _reference.Length * Smoothing;
        for (int i = 0; i < _reference.Length; i++)
        {
            double p = (_reference[i] / countP + Smoothing) / normal, q = (_quantized[i] / countQ + Smoothing) / normal;
            sum += p * Math.Log(p / q);
        }

        // Never negative in exact arithmetic; rounding of equal distributions may be.
        return Math.Max(0, sum);
    }

    private static double Total(long[] counts) => Math.Max(1, counts.Sum());

    private int Bin(float value) => (int)Math.Clamp((value - Minimum) * BinsPerUnit, 0, _reference.Length - 1);
}
