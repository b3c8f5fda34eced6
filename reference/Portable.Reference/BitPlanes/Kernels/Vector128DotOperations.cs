using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

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

/// <summary>NEON sdot: four signed byte products added to 32 bits at once.</summary>
internal struct NeonDot : IDotOperation<Vector128<int>>
{
    public static string Name => "neon-bytes";
    public static string Requires => "Arm NEON with dot product";
    public static bool IsSupported => Dp.IsSupported;
    public static LaneCodes Codes => LaneCodes.SignedBytes;
    public static bool Defers => false;
    public static double Cycles => 0.5;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> MultiplyAdd(Vector128<int> partial, Vector128<int> w, Vector128<int> x) =>
        Dp.DotProduct(partial, w.AsSByte(), x.AsSByte());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> AddWidened(Vector128<int> sums, Vector128<int> partial) =>
        sums + partial;
}
