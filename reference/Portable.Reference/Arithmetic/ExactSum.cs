using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Arithmetic;

/// <summary>
/// An exact integer I = 256·high + low, wider than Int32, rounded once to the nearest f32 (ties to even): with
/// t = low + 256·(high mod 256) it is 65536·u + w, u = ⌊high / 256⌋ + ⌊t / 65536⌋, w = t mod 65536, and fl(u·65536 + w) rounds
/// once, because u and w are below 2^24 in magnitude and the product is a shift of the exponent.
/// </summary>
/// <remarks>Needs |high| &lt; 2^31, |low| &lt; 2^31 − 2^16 and |I| &lt; 2^40.</remarks>
internal static class ExactSum
{
    /// <summary>The nearest f32 of eight sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Nearest(Vector256<int> high, Vector256<int> low)
    {
        Vector256<int> t = low + ((high & Vector256.Create(255)) << 8);
        Vector256<float> u = Vector256.ConvertToSingle((high >> 8) + (t >> 16)), w = Vector256.ConvertToSingle(t & Vector256.Create(0xFFFF));
        return u * Vector256.Create(65536f) + w;
    }

    /// <summary>The nearest f32 of sixteen sums.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Nearest(Vector512<int> high, Vector512<int> low)
    {
        Vector512<int> t = low + ((high & Vector512.Create(255)) << 8);
        Vector512<float> u = Vector512.ConvertToSingle((high >> 8) + (t >> 16)), w = Vector512.ConvertToSingle(t & Vector512.Create(0xFFFF));
        return u * Vector512.Create(65536f) + w;
    }
}
