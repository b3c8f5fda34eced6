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
            double step = Step(i);
            int parts = Math.Clamp((int)Math.Ceiling(largest / (q * step) - 1e-6), 1, maximumParts);
            double[] errors = new double[parts];
            foreach ((double magnitude, double weight) in values)
            {
                if (spread)
                {
                    Add(errors, magnitude * (1 - 1.0 / 96), weight / 2, step, q);
                    Add(errors, magnitude * (1 + 1.0 / 96), weight / 2, step, q);
                }
                else
                {
                    Add(errors, magnitude, weight, step, q);
                }
            }

            _errors[i - First] = errors;
        }
    }

    /// <summary>The smallest index whose step reaches the largest magnitude in one part.</summary>
    public int Top { get; }

    /// <summary>The finest step of the table.</summary>
    public int First { get; }

    /// <summary>The coarsest.</summary>
    public int Last { get; }

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

    private static void Add(double[] errors, double magnitude, double weight, double step, int q)
    {
        double code = Math.Floor(magnitude / step + 0.5);
        for (int n = 0; n < errors.Length; n++)
        {
            double error = magnitude - step * Math.Min(code, (n + 1) * q);
            errors[n] += weight * error * error;
            if (code <= (n + 1) * q)
            {
                double same = weight * error * error;
                for (n++; n < errors.Length; n++)
                {
                    errors[n] += same;
                }
            }
        }
    }
}
