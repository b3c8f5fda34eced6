using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>Weighted squared error of a channel's values for steps 2^(i/8) and ranges of n·Q steps.</summary>
internal sealed class ErrorTable
{
    private const int PerOctave = 8;
    private readonly double[][] _errors;
    private readonly double _energy;

    /// <summary>Computes it.</summary>
    /// <param name="values">Magnitudes and their weights.</param>
    /// <param name="q">Largest code of one part.</param>
    /// <param name="maximumParts">The most parts.</param>
    /// <param name="spread">Whether a magnitude stands for a bin of a sixteenth of an octave, within which values are spread.</param>
    public ErrorTable((double Magnitude, double Weight)[] values, int q, int maximumParts, bool spread)
    {
        double largest = 0;
        foreach ((double magnitude, double weight) in values)
        {
            largest = Math.Max(largest, magnitude);
            _energy += weight * magnitude * magnitude;
        }

        // A channel without values takes any step. No logarithm: its last bit differs between machines.
        double needed = Math.Max(largest, 1e-6) / q;
        Top = PerOctave * Math.ILogB(needed);
        while (Step(Top) < needed)
        {
            Top++;
        }

        First = Top - PerOctave * 5;
        Last = Top + PerOctave;
        _errors = new double[Last - First + 1][];
        for (int i = First; i <= Last; i++)
        {
            _errors[i - First] = new double[Math.Clamp((int)Math.Ceiling(largest / (q * Step(i)) - 1e-6), 1, maximumParts)];
        }

        Fill(spread ? Spread(values) : values, q);
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
    public int Parts(int index) => _errors[Math.Clamp(index, First, Last) - First].Length;

    /// <summary>The error at a step with n parts. Above the table it grows with the step's square until everything is lost; below, nearly all is clipped.</summary>
    public double Error(int index, int parts)
    {
        double[] errors = _errors[Math.Clamp(index, First, Last) - First];
        double error = errors[Math.Min(parts, errors.Length) - 1];
        return index < First ? _energy : index <= Last ? error : Math.Min(_energy, error * Step(2 * (index - Last)));
    }

    private static readonly double[] Fractions = [1, 1.0905077326652577, 1.189207115002721, 1.2968395546510096, 1.4142135623730951, 1.5422108254079407, 1.681792830507429, 1.8340080864093424];

    /// <summary>Each bin as two values beside its centre, half its weight each.</summary>
    private static (double, double)[] Spread((double Magnitude, double Weight)[] bins) =>
        [.. bins.SelectMany(b => ((double, double)[])[(b.Magnitude * (1 - 1.0 / 96), b.Weight / 2), (b.Magnitude * (1 + 1.0 / 96), b.Weight / 2)])];

    /// <summary>Σ weight·(magnitude − x̂)² for every step and number of parts: lanes are steps, values are added one after the other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Fill((double Magnitude, double Weight)[] values, int q)
    {
        const int Lanes = 4;
        Span<Vector256<double>> sums = stackalloc Vector256<double>[_errors.Max(e => e.Length)];
        for (int first = 0; first < _errors.Length; first += Lanes)
        {
            Vector256<double> step = Vector256.Create(Step(First + first), Step(First + first + 1), Step(First + first + 2), Step(First + first + 3));

            // The finest step has the most parts.
            int parts = _errors[first].Length;
            sums.Clear();
            foreach ((double magnitude, double weight) in values)
            {
                Vector256<double> m = Vector256.Create(magnitude), w = Vector256.Create(weight), code = Vector256.Floor(m / step + Vector256.Create(0.5));
                for (int n = 0; n < parts; n++)
                {
                    Vector256<double> error = m - step * Vector256.Min(code, Vector256.Create((double)((n + 1) * q)));
                    sums[n] += w * error * error;
                }
            }

            for (int i = 0; i < Math.Min(Lanes, _errors.Length - first); i++)
            {
                for (int n = 0; n < _errors[first + i].Length; n++)
                {
                    _errors[first + i][n] = sums[n][i];
                }
            }
        }
    }
}
