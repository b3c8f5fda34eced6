using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;

namespace Portable.Reference.BitPlanes.Kernels;

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
