namespace Portable.Reference.Arithmetic;

/// <summary>The SplitMix64 generator (Steele, Lea and Flood, 2014): the same numbers in every version of .NET.</summary>
/// <param name="state">Seed.</param>
internal struct SplitMix64(ulong state)
{
    /// <summary>What the state grows by from number to number: 2^64 over the golden ratio.</summary>
    public const ulong Increment = 0x9E3779B97F4A7C15;

    private ulong _state = state;

    /// <summary>The number of a state; any can be made on its own.</summary>
    public static ulong Mix(ulong state)
    {
        ulong z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>64 random bits that are a function of what they are for: of a seed and of two counters below it.</summary>
    public static ulong Of(ulong seed, uint first, uint second) => Mix(Mix(Mix(seed + Increment) + first + Increment) + second + Increment);

    /// <summary>The next 64 random bits.</summary>
    public ulong Next() => Mix(_state += Increment);

    /// <summary>Uniform in 0 … bound − 1 by the high half of a product (bias below 2^-32 for the bounds used here).</summary>
    public int Next(int bound) => (int)Math.BigMul(Next(), (ulong)bound, out _);
}
