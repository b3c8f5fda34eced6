using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>Who made the processor: the same instructions cost differently. Says nothing about which there are.</summary>
internal static class X86Vendor
{
    /// <summary>Whether CPUID leaf 0 says "AuthenticAMD".</summary>
    public static bool IsAmd { get; } = X86Base.IsSupported && X86Base.CpuId(0, 0) is (_, 0x68747541, 0x444D4163, 0x69746E65);
}
