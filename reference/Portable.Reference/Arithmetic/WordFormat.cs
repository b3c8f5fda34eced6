using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Arithmetic;

/// <summary>Finite 16-bit elements, two to a 32-bit lane (the even one in the low half), to canonical f32.</summary>
internal interface IWordFormat
{
    static abstract Vector256<float> Even(Vector256<int> words);

    static abstract Vector256<float> Odd(Vector256<int> words);
}

/// <summary>binary16.</summary>
internal readonly struct HalfWords : IWordFormat
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Even(Vector256<int> words) => Odd(words << 16);

    /// <summary>Sign, exponent and mantissa moved into place read 2^-112 too small, subnormals included: the product is exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Odd(Vector256<int> words) =>
        ((words >> 3) & Vector256.Create(unchecked((int)0x8FFFE000))).AsSingle() * Vector256.Create(5.192296858534828e33f);
}

/// <summary>bfloat16: the only 16-bit type with values that canonicalisation removes.</summary>
internal readonly struct BrainWords : IWordFormat
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Even(Vector256<int> words) => VectorContract.Canonical((words << 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Odd(Vector256<int> words) => VectorContract.Canonical((words & Vector256.Create(unchecked((int)0xFFFF0000))).AsSingle());
}
