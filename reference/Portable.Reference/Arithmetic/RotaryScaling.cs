namespace Portable.Reference.Arithmetic;

/// <summary>Frequency scaling of Llama 3 rotary positions (config.json `rope_scaling` with `rope_type` llama3).</summary>
/// <param name="Factor">Division of the low frequencies, ≥ 1.</param>
/// <param name="LowFrequencyFactor">Wavelengths over original / this are divided whole.</param>
/// <param name="HighFrequencyFactor">Wavelengths under original / this are kept.</param>
/// <param name="OriginalMaximumPositions">Context length before scaling.</param>
internal sealed record RotaryScaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, int OriginalMaximumPositions)
{
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
