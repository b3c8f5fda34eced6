using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>What a float micro-kernel needs of a vector width; kernels are written once over it.</summary>
internal unsafe interface ISimd<TVector>
    where TVector : struct
{
    static abstract int Lanes { get; }

    /// <summary>Whether there are 32 vector registers, so that a tile of 6 × 4 vectors stays in them.</summary>
    static abstract bool ManyRegisters { get; }

    static abstract TVector Load(float* source);

    static abstract void Store(float* destination, TVector value);

    static abstract TVector Broadcast(float value);

    static abstract TVector Add(TVector a, TVector b);

    /// <summary>a·b + c with one rounding.</summary>
    static abstract TVector Fused(TVector a, TVector b, TVector c);

    /// <summary>a·b + c with two roundings: the contract of quantized models.</summary>
    static abstract TVector Unfused(TVector a, TVector b, TVector c);

    /// <summary>Lanes read as int32 c and pairs of int16: a.low·b.low + a.high·b.high + c.</summary>
    static abstract TVector PairDot(TVector a, TVector b, TVector c);
}

/// <summary>512-bit vectors.</summary>
internal readonly unsafe struct Simd512 : ISimd<Vector512<float>>
{
    public static int Lanes => 16;

    public static bool ManyRegisters => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* destination, Vector512<float> value) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Broadcast(float value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fused(Vector512<float> a, Vector512<float> b, Vector512<float> c) => Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Unfused(Vector512<float> a, Vector512<float> b, Vector512<float> c) => a * b + c;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> PairDot(Vector512<float> a, Vector512<float> b, Vector512<float> c)
    {
        if (Avx512BW.IsSupported)
        {
            return (c.AsInt32() + Avx512BW.MultiplyAddAdjacent(a.AsInt16(), b.AsInt16())).AsSingle();
        }

        Vector512<int> x = a.AsInt32(), y = b.AsInt32();
        return (c.AsInt32() + ((x << 16) >> 16) * ((y << 16) >> 16) + (x >> 16) * (y >> 16)).AsSingle();
    }
}

/// <summary>256-bit vectors; emulated where there are none, with the same bits.</summary>
internal readonly unsafe struct Simd256 : ISimd<Vector256<float>>
{
    public static int Lanes => 8;

    public static bool ManyRegisters => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Load(float* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* destination, Vector256<float> value) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Broadcast(float value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Fused(Vector256<float> a, Vector256<float> b, Vector256<float> c) => Vector256.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Add(Vector256<float> a, Vector256<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Unfused(Vector256<float> a, Vector256<float> b, Vector256<float> c) => a * b + c;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> PairDot(Vector256<float> a, Vector256<float> b, Vector256<float> c)
    {
        if (Avx2.IsSupported)
        {
            return (c.AsInt32() + Avx2.MultiplyAddAdjacent(a.AsInt16(), b.AsInt16())).AsSingle();
        }

        Vector256<int> x = a.AsInt32(), y = b.AsInt32();
        return (c.AsInt32() + ((x << 16) >> 16) * ((y << 16) >> 16) + (x >> 16) * (y >> 16)).AsSingle();
    }
}

/// <summary>How a product is added.</summary>
internal interface IMultiplyAdd
{
    static abstract TVector Apply<TSimd, TVector>(TVector a, TVector b, TVector c)
        where TSimd : ISimd<TVector>
        where TVector : struct;
}

/// <summary>One rounding: unquantized models and training.</summary>
internal readonly struct FusedMultiplyAdd : IMultiplyAdd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector a, TVector b, TVector c)
        where TSimd : ISimd<TVector>
        where TVector : struct => TSimd.Fused(a, b, c);
}

/// <summary>Two roundings: the contract of quantized models.</summary>
internal readonly struct UnfusedMultiplyAdd : IMultiplyAdd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector a, TVector b, TVector c)
        where TSimd : ISimd<TVector>
        where TVector : struct => TSimd.Unfused(a, b, c);
}

/// <summary>Exact integers: pairs of int16 digits times pairs of int16, added as int32.</summary>
internal readonly struct PairDot : IMultiplyAdd
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Apply<TSimd, TVector>(TVector a, TVector b, TVector c)
        where TSimd : ISimd<TVector>
        where TVector : struct => TSimd.PairDot(a, b, c);
}
