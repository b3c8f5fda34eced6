using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>Weighted squared error of a channel's values for steps 2^(i/8) and ranges of n·Q steps.</summary>
internal sealed class ErrorTable
{
    /// <summary>Steps of a table.</summary>
    public const int StepCount = PerOctave * (Finer + 1) + 1;

    /// <summary>The most parts that are searched.</summary>
    public const int MostParts = 8;

    private const int PerOctave = 8, Finer = 5;
    private readonly double[] _errors;
    private readonly int _offset, _maximumParts;
    private readonly byte[] _parts = new byte[StepCount];
    private readonly double _energy;

    /// <summary>Computes it for a channel's histogram: a magnitude stands for a bin of a sixteenth of an octave, within which values are spread.</summary>
    /// <param name="bins">Magnitudes and their weights.</param>
    /// <param name="q">Largest code of one part.</param>
    /// <param name="maximumParts">The most parts, 1 or <see cref="MostParts"/>.</param>
    public static ErrorTable OfBins(ReadOnlySpan<(double Magnitude, double Weight)> bins, int q, int maximumParts)
    {
        // Each bin as two values beside its centre, half its weight each.
        double[] magnitudes = new double[2 * bins.Length], weights = new double[2 * bins.Length];
        double largest = 0, energy = 0;
        for (int i = 0; i < bins.Length; i++)
        {
            (double magnitude, double weight) = bins[i];
            largest = Math.Max(largest, magnitude);
            energy += weight * magnitude * magnitude;
            (magnitudes[2 * i], magnitudes[2 * i + 1]) = (magnitude * (1 - 1.0 / 96), magnitude * (1 + 1.0 / 96));
            weights[2 * i] = weights[2 * i + 1] = weight / 2;
        }

        ErrorTable table = new(largest, energy, q, maximumParts, new double[StepCount * maximumParts], 0);
        table.Fill(magnitudes, weights, q);
        return table;
    }

    /// <summary>A table whose errors are still to be computed.</summary>
    /// <param name="largest">The largest magnitude.</param>
    /// <param name="energy">Σ weight·magnitude².</param>
    /// <param name="q">Largest code of one part.</param>
    /// <param name="maximumParts">The most parts, 1 or <see cref="MostParts"/>.</param>
    /// <param name="errors">Memory that holds the errors, or will: <see cref="StepCount"/> × <paramref name="maximumParts"/> values.</param>
    /// <param name="offset">Where they begin in it.</param>
    public ErrorTable(double largest, double energy, int q, int maximumParts, double[] errors, int offset)
    {
        if (maximumParts is not (1 or MostParts))
        {
            throw new ArgumentOutOfRangeException(nameof(maximumParts), maximumParts, $"A table has 1 or {MostParts} parts.");
        }

        (_energy, _maximumParts, _errors, _offset) = (energy, maximumParts, errors, offset);

        // A channel without values takes any step. No logarithm: its last bit differs between machines.
        double needed = Math.Max(largest, 1e-6) / q;
        Top = PerOctave * Math.ILogB(needed);
        while (Step(Top) < needed)
        {
            Top++;
        }

        First = Top - PerOctave * Finer;
        Last = Top + PerOctave;
        for (int i = 0; i < StepCount; i++)
        {
            _parts[i] = (byte)Math.Clamp((int)Math.Ceiling(largest / (q * Step(First + i)) - 1e-6), 1, maximumParts);
        }
    }

    /// <summary>The smallest index whose step reaches the largest magnitude in one part.</summary>
    public int Top { get; }

    /// <summary>The finest step of the table.</summary>
    public int First { get; }

    /// <summary>The coarsest.</summary>
    public int Last { get; }

    /// <summary>2^(index/8).</summary>
    public static double Step(int index) => Math.ScaleB(Fractions[(index % PerOctave + PerOctave) % PerOctave], (int)Math.Floor((double)index / PerOctave));

    /// <summary>How many parts still help at a step.</summary>
    public int Parts(int index) => _parts[Math.Clamp(index, First, Last) - First];

    /// <summary>The errors at a step with 1 … <see cref="MostParts"/> parts; what no longer helps leaves them as they are. Needs <see cref="Pad"/>.</summary>
    public Vector512<double> Errors(int index)
    {
        if (index < First)
        {
            return Vector512.Create(_energy);
        }

        int at = _offset + ((Math.Min(index, Last) - First) * _maximumParts);
        Vector512<double> errors = _maximumParts == MostParts ? Vector512.LoadUnsafe(ref _errors[at]) : Vector512.Create(_errors[at]);
        return index <= Last ? errors : Vector512.Min(Vector512.Create(_energy), errors * Step(2 * (index - Last)));
    }

    /// <summary>Gives parts that no longer help the error of the last that did.</summary>
    public void Pad()
    {
        for (int step = 0; step < StepCount; step++)
        {
            int at = _offset + (step * _maximumParts);
            _errors.AsSpan(at + _parts[step], _maximumParts - _parts[step]).Fill(_errors[at + _parts[step] - 1]);
        }
    }

    /// <summary>The error at a step with n parts. Above the table it grows with the step's square until everything is lost; below, nearly all is clipped.</summary>
    public double Error(int index, int parts)
    {
        int step = Math.Clamp(index, First, Last) - First;
        double error = _errors[_offset + (step * _maximumParts) + Math.Min(parts, _parts[step]) - 1];
        return index < First ? _energy : index <= Last ? error : Math.Min(_energy, error * Step(2 * (index - Last)));
    }

    /// <summary>Σ weight·(magnitude − x̂)² for every step and number of parts: lanes are steps, values are added one after the other.</summary>
    /// <param name="magnitudes">The values.</param>
    /// <param name="weights">As many.</param>
    /// <param name="q">Largest code of one part.</param>
    public void Fill(ReadOnlySpan<double> magnitudes, ReadOnlySpan<double> weights, int q)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            FillEight(magnitudes, weights, q);
        }
        else
        {
            FillFour(magnitudes, weights, q);
        }

        Pad();
    }

    private static readonly double[] Fractions = [1, 1.0905077326652577, 1.189207115002721, 1.2968395546510096, 1.4142135623730951, 1.5422108254079407, 1.681792830507429, 1.8340080864093424];

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FillFour(ReadOnlySpan<double> magnitudes, ReadOnlySpan<double> weights, int q)
    {
        const int Lanes = 4;
        Span<Vector256<double>> sums = stackalloc Vector256<double>[MostParts];
        for (int first = 0; first < StepCount; first += Lanes)
        {
            Vector256<double> step = Vector256.Create(Step(First + first), Step(First + first + 1), Step(First + first + 2), Step(First + first + 3));

            // The finest step has the most parts.
            int parts = _parts[first];
            sums.Clear();
            for (int i = 0; i < magnitudes.Length; i++)
            {
                Vector256<double> m = Vector256.Create(magnitudes[i]), w = Vector256.Create(weights[i]), code = Vector256.Floor(m / step + Vector256.Create(0.5));
                for (int n = 0; n < parts; n++)
                {
                    Vector256<double> error = m - step * Vector256.Min(code, Vector256.Create((double)((n + 1) * q)));
                    sums[n] += w * error * error;
                }
            }

            for (int i = 0; i < Math.Min(Lanes, StepCount - first); i++)
            {
                for (int n = 0; n < _parts[first + i]; n++)
                {
                    _errors[_offset + ((first + i) * _maximumParts) + n] = sums[n][i];
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void FillEight(ReadOnlySpan<double> magnitudes, ReadOnlySpan<double> weights, int q)
    {
        const int Lanes = 8;
        Span<Vector512<double>> sums = stackalloc Vector512<double>[MostParts];
        Span<double> steps = stackalloc double[Lanes];
        for (int first = 0; first < StepCount; first += Lanes)
        {
            for (int i = 0; i < Lanes; i++)
            {
                steps[i] = Step(First + first + i);
            }

            Vector512<double> step = Vector512.Create<double>(steps);
            int parts = _parts[first];
            sums.Clear();
            for (int i = 0; i < magnitudes.Length; i++)
            {
                Vector512<double> m = Vector512.Create(magnitudes[i]), w = Vector512.Create(weights[i]), code = Vector512.Floor(m / step + Vector512.Create(0.5));
                for (int n = 0; n < parts; n++)
                {
                    Vector512<double> error = m - step * Vector512.Min(code, Vector512.Create((double)((n + 1) * q)));
                    sums[n] += w * error * error;
                }
            }

            for (int i = 0; i < Math.Min(Lanes, StepCount - first); i++)
            {
                for (int n = 0; n < _parts[first + i]; n++)
                {
                    _errors[_offset + ((first + i) * _maximumParts) + n] = sums[n][i];
                }
            }
        }
    }
}
