using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Portable.Cli.Devices;

/// <summary>The widest instruction tier that .NET offers the kernels in this process.</summary>
internal static class CpuTier
{
    /// <summary>avx512, avx2, neon, vector128 or scalar.</summary>
    public static string Name =>
        Avx512BW.VL.IsSupported && Vector512.IsHardwareAccelerated ? "avx512"
        : Avx2.IsSupported ? "avx2"
        : AdvSimd.IsSupported ? "neon"
        : Vector128.IsHardwareAccelerated ? "vector128"
        : "scalar";

    /// <summary>Instruction sets of interest to the kernels that .NET offers in this process.</summary>
    public static IReadOnlyList<string> Features
    {
        get
        {
            (string Name, bool Supported)[] sets =
            [
                ("sse4.2", Sse42.IsSupported), ("avx2", Avx2.IsSupported), ("avx-vnni", AvxVnni.IsSupported), ("avx512bw", Avx512BW.IsSupported),
                ("avx512vbmi", Avx512Vbmi.IsSupported), ("gfni", Gfni.IsSupported), ("neon", AdvSimd.IsSupported), ("neon-dot", Dp.IsSupported),
            ];
            return [.. sets.Where(s => s.Supported).Select(s => s.Name)];
        }
    }
}
