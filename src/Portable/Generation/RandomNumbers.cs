namespace Portable.Generation;

/// <summary>Random numbers that are a function of what they are for, so that they do not depend on what was drawn before.</summary>
internal static class RandomNumbers
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    /// <summary>64 random bits for the token at a position of one of several answers.</summary>
    public static ulong Of(long seed, int choice, int position) =>
        Mix(Mix(Mix((ulong)seed + Golden) + (uint)choice + Golden) + (uint)position + Golden);

    // The finaliser of SplitMix64.
    private static ulong Mix(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
