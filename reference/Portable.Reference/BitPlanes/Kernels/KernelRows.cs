using System.Runtime.Intrinsics;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>The rows of the kernel table.</summary>
internal static class KernelRows
{
    /// <summary>Turns modelled cycles into nanoseconds.</summary>
    public const double NanosecondsPerCycle = 0.3;

    /// <summary>The definition first.</summary>
    public static MatmulKernel[] Create() =>
    [
        new ScalarPlaneKernel(),
        new ScalarByteKernel(),
        new PlaneKernel<WordLanes2, PopCountLanes2, Vector128<ulong>>(),
        new PlaneKernel<WordLanes4, PopCountLanes4, Vector256<ulong>>(),
        new PlaneKernel<WordLanes8, PopCountLanes8, Vector512<ulong>>(),
        new PanelKernel<Ssse3PairDot, Register128, Vector128<int>>(),
        new PanelKernel<Sse2WordDot, Register128, Vector128<int>>(),
        new PanelKernel<NeonDot, Register128, Vector128<int>>(),
        new PanelKernel<Avx2PairDot, Register256, Vector256<int>>(),
        new PanelKernel<Avx2WordDot, Register256, Vector256<int>>(),
        new PanelKernel<AvxVnniDot, Register256, Vector256<int>>(),
        new PanelKernel<Avx512PairDot, Register512, Vector512<int>>(),
        new GaloisRowKernel(),
        new BaseFiveRowKernel(),
        new PanelKernel<Avx512WordDot, Register512, Vector512<int>>(),
    ];
}
