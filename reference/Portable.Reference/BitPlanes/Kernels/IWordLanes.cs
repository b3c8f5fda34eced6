using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>64-bit words of several channels side by side, for <see cref="PanelExpansion{TLanes, U}"/>.</summary>
/// <typeparam name="U">The vector type.</typeparam>
internal unsafe interface IWordLanes<U>
    where U : struct
{
    /// <summary>Channels.</summary>
    static abstract int Count { get; }

    /// <summary>A word of every channel.</summary>
    static abstract U Gather(ulong** channels, long word);

    /// <summary>One word in every lane.</summary>
    static abstract U Broadcast(ulong value);

    /// <summary>a AND b.</summary>
    static abstract U And(U a, U b);

    /// <summary>a XOR b.</summary>
    static abstract U Xor(U a, U b);

    /// <summary>a where the mask is set, else b.</summary>
    static abstract U Select(U mask, U a, U b);

    /// <summary>Each lane shifted left.</summary>
    static abstract U ShiftLeft(U a, int count);

    /// <summary>Each lane shifted right, zeros coming in.</summary>
    static abstract U ShiftRight(U a, int count);

    /// <summary>The low dwords of all lanes to one place, the high dwords to another.</summary>
    static abstract void StoreHalves(U value, int* low, int* high);
}

/// <summary>2 channels.</summary>
internal unsafe struct WordLanes2 : IWordLanes<Vector128<ulong>>
{
    public static int Count => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Gather(ulong** channels, long word) =>
        Vector128.Create(channels[0][word], channels[1][word]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Broadcast(ulong value) => Vector128.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> And(Vector128<ulong> a, Vector128<ulong> b) => a & b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Xor(Vector128<ulong> a, Vector128<ulong> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Select(Vector128<ulong> mask, Vector128<ulong> a, Vector128<ulong> b) => Vector128.ConditionalSelect(mask, a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> ShiftLeft(Vector128<ulong> a, int count) => a << count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> ShiftRight(Vector128<ulong> a, int count) => a >>> count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreHalves(Vector128<ulong> value, int* low, int* high)
    {
        Vector128<int> sorted = Vector128.Shuffle(value.AsInt32(), Vector128.Create(0, 2, 1, 3));
        sorted.GetLower().Store(low);
        sorted.GetUpper().Store(high);
    }
}

/// <summary>4 channels.</summary>
internal unsafe struct WordLanes4 : IWordLanes<Vector256<ulong>>
{
    public static int Count => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Gather(ulong** channels, long word) =>
        Vector256.Create(channels[0][word], channels[1][word], channels[2][word], channels[3][word]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Broadcast(ulong value) => Vector256.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> And(Vector256<ulong> a, Vector256<ulong> b) => a & b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Xor(Vector256<ulong> a, Vector256<ulong> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Select(Vector256<ulong> mask, Vector256<ulong> a, Vector256<ulong> b) => Vector256.ConditionalSelect(mask, a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> ShiftLeft(Vector256<ulong> a, int count) => a << count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> ShiftRight(Vector256<ulong> a, int count) => a >>> count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreHalves(Vector256<ulong> value, int* low, int* high)
    {
        Vector256<int> sorted = Vector256.Shuffle(value.AsInt32(), Vector256.Create(0, 2, 4, 6, 1, 3, 5, 7));
        sorted.GetLower().Store(low);
        sorted.GetUpper().Store(high);
    }
}

/// <summary>8 channels.</summary>
internal unsafe struct WordLanes8 : IWordLanes<Vector512<ulong>>
{
    public static int Count => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Gather(ulong** channels, long word) =>
        Vector512.Create(channels[0][word], channels[1][word], channels[2][word], channels[3][word], channels[4][word], channels[5][word], channels[6][word], channels[7][word]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Broadcast(ulong value) => Vector512.Create(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> And(Vector512<ulong> a, Vector512<ulong> b) => a & b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Xor(Vector512<ulong> a, Vector512<ulong> b) => a ^ b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Select(Vector512<ulong> mask, Vector512<ulong> a, Vector512<ulong> b) => Vector512.ConditionalSelect(mask, a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> ShiftLeft(Vector512<ulong> a, int count) => a << count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> ShiftRight(Vector512<ulong> a, int count) => a >>> count;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreHalves(Vector512<ulong> value, int* low, int* high)
    {
        Vector512<int> sorted = Vector512.Shuffle(value.AsInt32(), Vector512.Create(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15));
        sorted.GetLower().Store(low);
        sorted.GetUpper().Store(high);
    }
}
