namespace Portable.Reference.Arithmetic;

/// <summary>
/// Cosines and sines of rotary position embedding (Su et al., RoFormer, eq. 15): angle(p, i) = p · base^(−2i / head size),
/// computed on the host in double by <see cref="ReproducibleMath"/>, rounded to f32, canonical; every device reads this table.
/// </summary>
internal sealed class RotaryTable
{
    private readonly float[] _cos, _sin, _queryCos, _querySin;

    /// <summary>Computes the table.</summary>
    /// <param name="positions">Positions 0 … positions − 1; also the declared length that frequencies may depend on.</param>
    /// <param name="headSize">Channels of a head that turn, even.</param>
    /// <param name="frequencyBase">Base of the frequencies (rope_theta), &gt; 0.</param>
    /// <param name="scaling">Scaling of the frequencies, or null.</param>
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
        double[] frequencies = scaling?.Frequencies(frequencyBase, headSize, positions) ?? RotaryScaling.Plain(frequencyBase, headSize);
        double amplitude = scaling?.Amplitude ?? 1;
        double[] factors = [.. Enumerable.Range(0, positions).Select(p => scaling?.QueryFactor(p) ?? 1)];
        HasQueryFactors = factors.Any(f => f != 1);
        _cos = new float[checked(positions * Half)];
        _sin = new float[_cos.Length];
        (_queryCos, _querySin) = HasQueryFactors ? (new float[_cos.Length], new float[_cos.Length]) : (_cos, _sin);
        for (int i = 0; i < Half; i++)
        {
            for (int position = 0; position < positions; position++)
            {
                (double sine, double cosine) = ReproducibleMath.SineCosine(position * frequencies[i]);
                int at = position * Half + i;
                _cos[at] = Contract.Canonical((float)(cosine * amplitude));
                _sin[at] = Contract.Canonical((float)(sine * amplitude));
                if (HasQueryFactors)
                {
                    _queryCos[at] = Contract.Canonical((float)(cosine * amplitude * factors[position]));
                    _querySin[at] = Contract.Canonical((float)(sine * amplitude * factors[position]));
                }
            }
        }
    }

    /// <summary>Positions.</summary>
    public int Positions { get; }

    /// <summary>Whether queries have cosines and sines of their own.</summary>
    public bool HasQueryFactors { get; }

    /// <summary>Pairs per head that turn.</summary>
    public int Half { get; }

    /// <summary>All cosines, [position × half + pair].</summary>
    public ReadOnlySpan<float> Cosines => _cos;

    /// <summary>All sines, [position × half + pair].</summary>
    public ReadOnlySpan<float> Sines => _sin;

    /// <summary>The cosines of one position.</summary>
    public ReadOnlySpan<float> Cosine(int position) => _cos.AsSpan(position * Half, Half);

    /// <summary>The sines of one position.</summary>
    public ReadOnlySpan<float> Sine(int position) => _sin.AsSpan(position * Half, Half);

    /// <summary>The cosines of one position for queries.</summary>
    public ReadOnlySpan<float> QueryCosine(int position) => _queryCos.AsSpan(position * Half, Half);

    /// <summary>The sines of one position for queries.</summary>
    public ReadOnlySpan<float> QuerySine(int position) => _querySin.AsSpan(position * Half, Half);
}
