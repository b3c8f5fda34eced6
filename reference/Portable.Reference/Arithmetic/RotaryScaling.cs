namespace Portable.Reference.Arithmetic;

/// <summary>How an architecture stretches rotary positions beyond the context that it was trained on.</summary>
internal abstract record RotaryScaling
{
    /// <summary>Whether the frequencies depend on the declared length of a sequence.</summary>
    public virtual bool DependsOnLength => false;

    /// <summary>Radians per position of each pair.</summary>
    /// <param name="rotaryBase">Base of the frequencies.</param>
    /// <param name="dimensions">Channels that turn.</param>
    /// <param name="length">Declared length of the sequence.</param>
    public abstract double[] Frequencies(double rotaryBase, int dimensions, int length);

    /// <summary>Factor of cosines and sines.</summary>
    public virtual double Amplitude => 1;

    /// <summary>Factor of a query after its rotation.</summary>
    public virtual double QueryFactor(int position) => 1;

    /// <summary>base^(−2i / dimensions) for each pair i (Su et al., RoFormer, eq. 15).</summary>
    public static double[] Plain(double rotaryBase, int dimensions)
    {
        double logarithm = ReproducibleMath.Log(rotaryBase);
        return [.. Enumerable.Range(0, dimensions / 2).Select(i => ReproducibleMath.Exp(-logarithm * (2.0 * i / dimensions)))];
    }
}

/// <summary>Positions divided by a factor (`linear`).</summary>
/// <param name="Factor">≥ 1.</param>
internal sealed record LinearRotaryScaling(double Factor) : RotaryScaling
{
    /// <inheritdoc/>
    public override double[] Frequencies(double rotaryBase, int dimensions, int length) => [.. Plain(rotaryBase, dimensions).Select(f => f / Factor)];
}

/// <summary>A base that grows with sequences longer than the trained context (`dynamic`).</summary>
/// <param name="Factor">≥ 1; the context may be that many times the trained one.</param>
/// <param name="TrainedPositions">Positions of the trained context.</param>
internal sealed record DynamicRotaryScaling(double Factor, int TrainedPositions) : RotaryScaling
{
    /// <inheritdoc/>
    public override bool DependsOnLength => true;

    /// <inheritdoc/>
    public override double[] Frequencies(double rotaryBase, int dimensions, int length)
    {
        double stretch = (Factor * Math.Max(length, TrainedPositions) / TrainedPositions) - (Factor - 1);
        return Plain(rotaryBase * ReproducibleMath.Exp(ReproducibleMath.Log(stretch) * dimensions / (dimensions - 2)), dimensions);
    }
}

/// <summary>Low frequencies divided, high ones kept, blended between (`llama3`).</summary>
/// <param name="Factor">Division of the low frequencies, ≥ 1.</param>
/// <param name="LowFrequencyFactor">Wavelengths over original / this are divided whole.</param>
/// <param name="HighFrequencyFactor">Wavelengths under original / this are kept.</param>
/// <param name="OriginalMaximumPositions">Context length before scaling.</param>
internal sealed record WavelengthRotaryScaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalMaximumPositions) : RotaryScaling
{
    /// <inheritdoc/>
    public override double[] Frequencies(double rotaryBase, int dimensions, int length) => [.. Plain(rotaryBase, dimensions).Select(Scale)];

    /// <summary>Scales one frequency: kept, divided, or blended linearly in original / wavelength between the two.</summary>
    /// <param name="frequency">Radians per position.</param>
    public double Scale(double frequency)
    {
        // original / wavelength: how often the component turns within the original context.
        double turns = OriginalMaximumPositions * frequency * (0.5 / Math.PI);
        if (turns < LowFrequencyFactor)
        {
            return frequency / Factor;
        }

        if (turns > HighFrequencyFactor)
        {
            return frequency;
        }

        double keep = (turns - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor);
        return (1 - keep) * (frequency / Factor) + keep * frequency;
    }
}

/// <summary>Frequencies divided or kept by how often they turn within the trained context, and cosines and sines made larger (`yarn`; Peng et al.).</summary>
/// <param name="Factor">Division of the low frequencies, ≥ 1.</param>
/// <param name="OriginalMaximumPositions">Context length before scaling.</param>
/// <param name="BetaFast">Turns from which a frequency is kept.</param>
/// <param name="BetaSlow">Turns up to which it is divided whole.</param>
/// <param name="Truncate">Whether the ends of the ramp between them are rounded to whole pairs, outwards.</param>
/// <param name="CosineFactor">Factor of cosines and sines.</param>
/// <param name="QueryBeta">β of the queries' factor 1 + β·ln(1 + ⌊position / original⌋) (Llama 4, Ministral 3).</param>
internal sealed record YarnRotaryScaling(double Factor, int OriginalMaximumPositions, double BetaFast, double BetaSlow, bool Truncate, double CosineFactor, double QueryBeta) : RotaryScaling
{
    /// <inheritdoc/>
    public override double Amplitude => CosineFactor;

    /// <inheritdoc/>
    public override double QueryFactor(int position) => 1 + (QueryBeta * ReproducibleMath.Log(1 + (position / OriginalMaximumPositions)));

    /// <inheritdoc/>
    public override double[] Frequencies(double rotaryBase, int dimensions, int length)
    {
        double low = PairOf(BetaFast, rotaryBase, dimensions), high = PairOf(BetaSlow, rotaryBase, dimensions);
        (low, high) = Truncate ? (Math.Floor(low), Math.Ceiling(high)) : (low, high);
        (low, high) = (Math.Max(low, 0), Math.Min(high, dimensions - 1));
        high = low == high ? high + 0.001 : high;
        return [.. Plain(rotaryBase, dimensions).Select((f, i) =>
        {
            double divided = Math.Clamp((i - low) / (high - low), 0, 1);
            return (f / Factor * divided) + (f * (1 - divided));
        })];
    }

    /// <summary>The standard factor of cosines and sines: 0.1·m·ln f + 1.</summary>
    public static double StandardAmplitude(double factor, double m = 1) => factor <= 1 ? 1 : (0.1 * m * ReproducibleMath.Log(factor)) + 1;

    /// <summary>The pair that turns so often within the trained context.</summary>
    private double PairOf(double turns, double rotaryBase, int dimensions) =>
        dimensions * ReproducibleMath.Log(OriginalMaximumPositions / (turns * 2 * Math.PI)) / (2 * ReproducibleMath.Log(rotaryBase));
}

/// <summary>A divisor for each pair: one list for sequences within the trained context, one for longer ones (`longrope`; Ding et al.).</summary>
/// <param name="Short">Divisors of short sequences.</param>
/// <param name="Long">Divisors of long ones.</param>
/// <param name="OriginalMaximumPositions">The longest short sequence.</param>
/// <param name="CosineFactor">Factor of cosines and sines, of both.</param>
internal sealed record LongRotaryScaling(IReadOnlyList<double> Short, IReadOnlyList<double> Long, int OriginalMaximumPositions, double CosineFactor) : RotaryScaling
{
    /// <inheritdoc/>
    public override bool DependsOnLength => true;

    /// <inheritdoc/>
    public override double Amplitude => CosineFactor;

    /// <inheritdoc/>
    public override double[] Frequencies(double rotaryBase, int dimensions, int length)
    {
        IReadOnlyList<double> divisors = length > OriginalMaximumPositions ? Long : Short;
        return [.. Plain(rotaryBase, dimensions).Select((f, i) => f / divisors[i])];
    }
}
