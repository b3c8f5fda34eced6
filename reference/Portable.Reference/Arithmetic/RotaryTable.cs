namespace Portable.Reference.Arithmetic;

/// <summary>
/// Cosines and sines of rotary position embedding (Su et al., RoFormer, eq. 15): angle(p, i) = p · base^(−2i / head size),
/// computed on the host in double by <see cref="HouseMath"/>, rounded to f32, canonical; every device reads this table.
/// </summary>
internal sealed class RotaryTable
{
    private readonly float[] _cos, _sin;

    /// <summary>Computes the table.</summary>
    /// <param name="positions">Positions 0 … positions − 1.</param>
    /// <param name="headSize">Width of a head, even.</param>
    /// <param name="frequencyBase">Base of the frequencies (rope_theta), &gt; 0.</param>
    /// <param name="scaling">Llama 3 scaling, or null.</param>
    /// <exception cref="ArgumentException">An odd head size, or no positions.</exception>
    public RotaryTable(int positions, int headSize, double frequencyBase, RotaryScaling? scaling = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(positions, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(frequencyBase);
        if (headSize < 2 || headSize % 2 != 0)
        {
            throw new ArgumentException($"Rotary positions need an even head size, not {headSize}.", nameof(headSize));
        }

        (Positions, Half) = (positions, headSize / 2);
        _cos = new float[checked(positions * Half)];
        _sin = new float[_cos.Length];
        double logarithm = HouseMath.Log(frequencyBase);
        for (int i = 0; i < Half; i++)
        {
            double frequency = HouseMath.Exp(-logarithm * (2.0 * i / headSize));
            frequency = scaling?.Scale(frequency) ?? frequency;
            for (int position = 0; position < positions; position++)
            {
                (double sine, double cosine) = HouseMath.SineCosine(position * frequency);
                _cos[position * Half + i] = Contract.Canonical((float)cosine);
                _sin[position * Half + i] = Contract.Canonical((float)sine);
            }
        }
    }

    /// <summary>Positions.</summary>
    public int Positions { get; }

    /// <summary>Pairs per head: half the head size.</summary>
    public int Half { get; }

    /// <summary>All cosines, [position × half + pair].</summary>
    public ReadOnlySpan<float> Cosines => _cos;

    /// <summary>All sines, [position × half + pair].</summary>
    public ReadOnlySpan<float> Sines => _sin;

    /// <summary>The cosines of one position.</summary>
    public ReadOnlySpan<float> Cosine(int position) => _cos.AsSpan(position * Half, Half);

    /// <summary>The sines of one position.</summary>
    public ReadOnlySpan<float> Sine(int position) => _sin.AsSpan(position * Half, Half);
}
