using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>
/// How often each channel takes which magnitude: sixteen bins per octave, from 2^-20 to 2^20 (half precision ends at 2^16, and
/// single outliers of large models come near), so that no range need be known beforehand and one histogram serves every later
/// scaling of the channel.
/// </summary>
/// <param name="channels">K.</param>
internal sealed class MagnitudeHistograms(int channels)
{
    /// <summary>Bins of a channel.</summary>
    public const int BinCount = PerOctave * Octaves;

    private const int PerOctave = 16, LowestExponent = -20, Octaves = 40, Strip = 32;
    private readonly int[] _counts = new int[channels * BinCount];
    private long _rows;

    /// <summary>What a device has counted.</summary>
    /// <param name="channels">K.</param>
    /// <param name="counts">K × <see cref="BinCount"/>.</param>
    /// <param name="rows">Values of each channel.</param>
    public MagnitudeHistograms(int channels, int[] counts, long rows)
        : this(channels)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(counts.Length, channels * BinCount);
        (_counts, _rows) = (counts, rows);
    }

    /// <summary>K.</summary>
    public int Channels => channels;

    /// <summary>Counts rows of K values.</summary>
    public unsafe void Add(ReadOnlySpan<float> x)
    {
        int rows = x.Length / channels;
        _rows += rows;
        fixed (float* values = x)
        {
            // A strip of channels counts in memory of its own.
            float* source = values;
            WorkerPool.Run((channels + Strip - 1) / Strip, strip =>
            {
                int first = strip * Strip, count = Math.Min(Strip, channels - first);
                Span<int> counts = _counts.AsSpan(first * BinCount, count * BinCount);
                for (int row = 0; row < rows; row++)
                {
                    ReadOnlySpan<float> part = new(source + (long)row * channels + first, count);
                    for (int j = 0; j < part.Length; j++)
                    {
                        counts[j * BinCount + Bin(part[j])]++;
                    }
                }
            });
        }
    }

    /// <summary>The bins of a channel that hold anything: centre, and share of the channel's values. Values below 2^-20 count as 0 and are left out.</summary>
    /// <param name="channel">j.</param>
    public IEnumerable<(double Magnitude, double Share)> Of(int channel)
    {
        for (int bin = 1; bin < BinCount; bin++)
        {
            int count = _counts[channel * BinCount + bin];
            if (count > 0)
            {
                yield return (Math.ScaleB(1 + (bin % PerOctave + 0.5) / PerOctave, LowestExponent + bin / PerOctave), (double)count / _rows);
            }
        }
    }

    private static int Bin(float value)
    {
        // The bits above the fourth of the mantissa are exponent and sixteenth of the octave, in one integer.
        int bits = BitConverter.SingleToInt32Bits(MathF.Abs(value)) >> (23 - 4);
        return Math.Clamp(bits - ((LowestExponent + 127) << 4), 0, BinCount - 1);
    }
}
