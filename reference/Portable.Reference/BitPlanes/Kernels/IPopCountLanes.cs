using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>Counting bits in vectors of words without a hardware popcount: carry-save adders and a nibble table.</summary>
/// <typeparam name="U">The vector type.</typeparam>
internal unsafe interface IPopCountLanes<U>
    where U : struct
{
    /// <summary>The kernel's name.</summary>
    static abstract string Name { get; }

    /// <summary>The instructions needed.</summary>
    static abstract string Requires { get; }

    /// <summary>Whether this process has them.</summary>
    static abstract bool IsSupported { get; }

    /// <summary>Reads a vector.</summary>
    static abstract U Load(ulong* source);

    /// <summary>Writes a vector.</summary>
    static abstract void Store(U value, ulong* destination);

    /// <summary>a XOR b XOR c: the sum bit of a full adder.</summary>
    static abstract U Xor3(U a, U b, U c);

    /// <summary>The carry bit of a full adder.</summary>
    static abstract U Majority(U a, U b, U c);

    /// <summary>Set bits of every byte.</summary>
    static abstract U CountBytes(U value);

    /// <summary>Byte-wise sum.</summary>
    static abstract U AddBytes(U a, U b);

    /// <summary>The sum of the bytes of each word.</summary>
    static abstract U SumBytes(U value);

    /// <summary>Word-wise sum.</summary>
    static abstract U Add(U a, U b);

    /// <summary>Word-wise difference.</summary>
    static abstract U Subtract(U a, U b);
}

internal static class NibbleCounts
{
    /// <summary>Set bits of 0 … 15.</summary>
    public static Vector128<byte> Table => Vector128.Create((byte)0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
}

/// <summary>2 words.</summary>
internal unsafe struct PopCountLanes2 : IPopCountLanes<Vector128<ulong>>
{
    public static string Name => "vector128-planes";

    public static string Requires => "SSSE3 or Arm NEON";

    public static bool IsSupported => Ssse3.IsSupported || AdvSimd.Arm64.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Load(ulong* source) => Vector128.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector128<ulong> value, ulong* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Xor3(Vector128<ulong> a, Vector128<ulong> b, Vector128<ulong> c) => a ^ b ^ c;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Majority(Vector128<ulong> a, Vector128<ulong> b, Vector128<ulong> c) => Vector128.ConditionalSelect(a ^ b, c, a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> CountBytes(Vector128<ulong> value)
    {
        if (AdvSimd.IsSupported)
        {
            return AdvSimd.PopCount(value.AsByte()).AsUInt64();
        }

        Vector128<byte> table = NibbleCounts.Table, low = Vector128.Create((byte)15);
        Vector128<byte> counts = Ssse3.Shuffle(table, value.AsByte() & low) + Ssse3.Shuffle(table, (value >>> 4).AsByte() & low);
        return counts.AsUInt64();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> AddBytes(Vector128<ulong> a, Vector128<ulong> b) => (a.AsByte() + b.AsByte()).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> SumBytes(Vector128<ulong> value) => AdvSimd.IsSupported
        ? AdvSimd.AddPairwiseWidening(AdvSimd.AddPairwiseWidening(AdvSimd.AddPairwiseWidening(value.AsByte())))
        : Sse2.SumAbsoluteDifferences(value.AsByte(), Vector128<byte>.Zero).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Add(Vector128<ulong> a, Vector128<ulong> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Subtract(Vector128<ulong> a, Vector128<ulong> b) => a - b;
}

/// <summary>4 words.</summary>
internal unsafe struct PopCountLanes4 : IPopCountLanes<Vector256<ulong>>
{
    public static string Name => "vector256-planes";

    public static string Requires => "AVX2";

    public static bool IsSupported => Avx2.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Load(ulong* source) => Vector256.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector256<ulong> value, ulong* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Xor3(Vector256<ulong> a, Vector256<ulong> b, Vector256<ulong> c) => Avx512F.VL.IsSupported ? Avx512F.VL.TernaryLogic(a, b, c, 0x96) : a ^ b ^ c;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Majority(Vector256<ulong> a, Vector256<ulong> b, Vector256<ulong> c) => Avx512F.VL.IsSupported ? Avx512F.VL.TernaryLogic(a, b, c, 0xE8) : Vector256.ConditionalSelect(a ^ b, c, a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> CountBytes(Vector256<ulong> value)
    {
        Vector256<byte> table = Vector256.Create(NibbleCounts.Table, NibbleCounts.Table), low = Vector256.Create((byte)15);
        Vector256<byte> counts = Avx2.Shuffle(table, value.AsByte() & low) + Avx2.Shuffle(table, (value >>> 4).AsByte() & low);
        return counts.AsUInt64();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> AddBytes(Vector256<ulong> a, Vector256<ulong> b) => (a.AsByte() + b.AsByte()).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> SumBytes(Vector256<ulong> value) => Avx2.SumAbsoluteDifferences(value.AsByte(), Vector256<byte>.Zero).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Add(Vector256<ulong> a, Vector256<ulong> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ulong> Subtract(Vector256<ulong> a, Vector256<ulong> b) => a - b;
}

/// <summary>8 words.</summary>
internal unsafe struct PopCountLanes8 : IPopCountLanes<Vector512<ulong>>
{
    public static string Name => "vector512-planes";

    public static string Requires => "AVX-512 BW";

    public static bool IsSupported => Avx512BW.IsSupported;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Load(ulong* source) => Vector512.Load(source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Vector512<ulong> value, ulong* destination) => value.Store(destination);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Xor3(Vector512<ulong> a, Vector512<ulong> b, Vector512<ulong> c) => Avx512F.TernaryLogic(a, b, c, 0x96);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Majority(Vector512<ulong> a, Vector512<ulong> b, Vector512<ulong> c) => Avx512F.TernaryLogic(a, b, c, 0xE8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> CountBytes(Vector512<ulong> value)
    {
        Vector512<byte> table = Vector512.Create(Vector256.Create(NibbleCounts.Table, NibbleCounts.Table), Vector256.Create(NibbleCounts.Table, NibbleCounts.Table)), low = Vector512.Create((byte)15);
        Vector512<byte> counts = Avx512BW.Shuffle(table, value.AsByte() & low) + Avx512BW.Shuffle(table, (value >>> 4).AsByte() & low);
        return counts.AsUInt64();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> AddBytes(Vector512<ulong> a, Vector512<ulong> b) => (a.AsByte() + b.AsByte()).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> SumBytes(Vector512<ulong> value) => Avx512BW.SumAbsoluteDifferences(value.AsByte(), Vector512<byte>.Zero).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Add(Vector512<ulong> a, Vector512<ulong> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<ulong> Subtract(Vector512<ulong> a, Vector512<ulong> b) => a - b;
}
