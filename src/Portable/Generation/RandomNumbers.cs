using Portable.Reference.Arithmetic;

namespace Portable.Generation;

/// <summary>Random numbers that are a function of what they are for, so that they do not depend on what was drawn before.</summary>
internal static class RandomNumbers
{
    /// <summary>64 random bits for the token at a position of one of several answers.</summary>
    public static ulong Of(long seed, int choice, int position) =>
        Number(Number(Number((ulong)seed) + (uint)choice) + (uint)position);

    private static ulong Number(ulong seed) => SplitMix64.Mix(seed + SplitMix64.Increment);
}
