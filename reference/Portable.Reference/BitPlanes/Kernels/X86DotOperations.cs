using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>vpdpbusd, 256 bits: four byte products added to 32 bits at once, never saturating.</summary>
internal struct AvxVnniDot : IDotOperation<Vector256<int>>
{
    public static string Name => "avxvnni-bytes";
    public static string Requires => "AVX-VNNI";
    public static bool IsSupported => AvxVnni.IsSupported;
    public static LaneCodes Codes => LaneCodes.UnsignedBytes;
    public static bool Defers => false;
    public static double Cycles => 0.5;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(Vector256<int> partial, Vector256<int> w, Vector256<int> x) =>
        AvxVnni.MultiplyWideningAndAdd(partial, w.AsByte(), x.AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddWidened(Vector256<int> sums, Vector256<int> partial) =>
        sums + partial;
}

/// <summary>vpmaddubsw, 512 bits: pairs of byte products in 16 bits, widened by vpmaddwd before they could saturate.</summary>
internal struct Avx512PairDot : IDotOperation<Vector512<int>>
{
    // AMD's processors with AVX-VNNI (Zen 5) multiply two of these registers a cycle beside adding two: twice what its 256-bit form of
    // vpdpbusd does, the only one that .NET 10 has. Elsewhere multiplying and adding share ports, and the two are equal.
    private static readonly double Measured = AvxVnni.IsSupported && X86Vendor.IsAmd ? 0.5 : 1;

    public static string Name => "avx512-bytes";
    public static string Requires => "AVX-512 BW";
    public static bool IsSupported => Avx512BW.IsSupported;
    public static LaneCodes Codes => LaneCodes.UnsignedBytes;
    public static bool Defers => true;
    public static double Cycles => Measured;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAdd(Vector512<int> partial, Vector512<int> w, Vector512<int> x) =>
        (partial.AsInt16() + Avx512BW.MultiplyAddAdjacent(w.AsByte(), x.AsSByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> AddWidened(Vector512<int> sums, Vector512<int> partial) =>
        sums + Avx512BW.MultiplyAddAdjacent(partial.AsInt16(), Vector512<short>.One);
}

/// <summary>vpmaddwd, 512 bits: pairs of 16-bit products, for 8 × 8 bits where there is no byte dot product.</summary>
internal struct Avx512WordDot : IDotOperation<Vector512<int>>
{
    public static string Name => "avx512-words";
    public static string Requires => "AVX-512 BW";
    public static bool IsSupported => Avx512BW.IsSupported;
    public static LaneCodes Codes => LaneCodes.Words;
    public static bool Defers => false;
    public static double Cycles => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> MultiplyAdd(Vector512<int> partial, Vector512<int> w, Vector512<int> x) =>
        partial + Avx512BW.MultiplyAddAdjacent(w.AsInt16(), x.AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> AddWidened(Vector512<int> sums, Vector512<int> partial) =>
        sums + partial;
}

/// <summary>vpmaddubsw, 256 bits.</summary>
internal struct Avx2PairDot : IDotOperation<Vector256<int>>
{
    public static string Name => "avx2-bytes";
    public static string Requires => "AVX2";
    public static bool IsSupported => Avx2.IsSupported;
    public static LaneCodes Codes => LaneCodes.UnsignedBytes;
    public static bool Defers => true;
    public static double Cycles => 0.55;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(Vector256<int> partial, Vector256<int> w, Vector256<int> x) =>
        (partial.AsInt16() + Avx2.MultiplyAddAdjacent(w.AsByte(), x.AsSByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddWidened(Vector256<int> sums, Vector256<int> partial) =>
        sums + Avx2.MultiplyAddAdjacent(partial.AsInt16(), Vector256<short>.One);
}

/// <summary>vpmaddwd, 256 bits.</summary>
internal struct Avx2WordDot : IDotOperation<Vector256<int>>
{
    public static string Name => "avx2-words";
    public static string Requires => "AVX2";
    public static bool IsSupported => Avx2.IsSupported;
    public static LaneCodes Codes => LaneCodes.Words;
    public static bool Defers => false;
    public static double Cycles => 0.55;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> MultiplyAdd(Vector256<int> partial, Vector256<int> w, Vector256<int> x) =>
        partial + Avx2.MultiplyAddAdjacent(w.AsInt16(), x.AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> AddWidened(Vector256<int> sums, Vector256<int> partial) =>
        sums + partial;
}

/// <summary>pmaddubsw, 128 bits.</summary>
internal struct Ssse3PairDot : IDotOperation<Vector128<int>>
{
    public static string Name => "ssse3-bytes";
    public static string Requires => "SSSE3";
    public static bool IsSupported => Ssse3.IsSupported;
    public static LaneCodes Codes => LaneCodes.UnsignedBytes;
    public static bool Defers => true;
    public static double Cycles => 0.6;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(Vector128<int> partial, Vector128<int> w, Vector128<int> x) =>
        (partial.AsInt16() + Ssse3.MultiplyAddAdjacent(w.AsByte(), x.AsSByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> AddWidened(Vector128<int> sums, Vector128<int> partial) =>
        sums + Sse2.MultiplyAddAdjacent(partial.AsInt16(), Vector128<short>.One);
}

/// <summary>pmaddwd, 128 bits.</summary>
internal struct Sse2WordDot : IDotOperation<Vector128<int>>
{
    public static string Name => "sse2-words";
    public static string Requires => "SSE2";
    public static bool IsSupported => Sse2.IsSupported;
    public static LaneCodes Codes => LaneCodes.Words;
    public static bool Defers => false;
    public static double Cycles => 0.6;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(Vector128<int> partial, Vector128<int> w, Vector128<int> x) =>
        partial + Sse2.MultiplyAddAdjacent(w.AsInt16(), x.AsInt16());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> AddWidened(Vector128<int> sums, Vector128<int> partial) =>
        sums + partial;
}
