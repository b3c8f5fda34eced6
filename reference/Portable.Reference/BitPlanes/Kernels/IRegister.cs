using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>A vector register of 32-bit lanes, so that a loop over registers is written once for all widths.</summary>
/// <typeparam name="V">The vector type.</typeparam>
internal unsafe interface IRegister<V>
    where V : struct
{
    /// <summary>32-bit lanes.</summary>
    static abstract int Lanes { get; }

    /// <summary>Reads a register.</summary>
    static abstract V Load(void* source);

    /// <summary>One 32-bit value in every lane.</summary>
    static abstract V Broadcast(int value);

    /// <summary>Writes a register.</summary>
    static abstract void Store(V value, void* destination);
}

internal unsafe struct Register128 : IRegister<Vector128<int>>
{
    public static int Lanes => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Load(void* source) => Vector128.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> Broadcast(int value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<int> value, void* destination) => value.Store((int*)destination);
}

internal unsafe struct Register256 : IRegister<Vector256<int>>
{
    public static int Lanes => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Load(void* source) => Vector256.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Broadcast(int value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<int> value, void* destination) => value.Store((int*)destination);
}

internal unsafe struct Register512 : IRegister<Vector512<int>>
{
    public static int Lanes => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Load(void* source) => Vector512.Load((int*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Broadcast(int value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<int> value, void* destination) => value.Store((int*)destination);
}
