namespace Portable.Reference.Operations;

/// <summary>RMSNorm of the queries or keys of one token, before they turn.</summary>
internal static class QueryKeyNormalization
{
    /// <summary>Normalises in place: each run of as many values as the gain has, a head or all heads, by itself.</summary>
    /// <param name="heads">head count × head size.</param>
    /// <param name="gain">Head size values, or one for every channel of all heads.</param>
    /// <param name="epsilon">ε.</param>
    public static void Apply(Span<float> heads, ReadOnlySpan<float> gain, float epsilon)
    {
        for (int start = 0; start < heads.Length; start += gain.Length)
        {
            Span<float> part = heads.Slice(start, gain.Length);
            Normalization.RmsNormRow(part, gain, epsilon, part);
        }
    }
}
