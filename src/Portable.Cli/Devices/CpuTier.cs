using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Portable.Cli.Devices;

/// <summary>The widest instruction tier that .NET offers the kernels in this process.</summary>
internal static class CpuTier
{
    // CPUID's leaf of extended features, and bits of its EBX.
    private const int ExtendedFeatures = 7, Avx2Bit = 5, Avx512F = 16, Avx512Dq = 17, Avx512Cd = 28, Avx512Bw = 30, Avx512Vl = 31;

    /// <summary>avx512, avx2, neon, vector128 or scalar.</summary>
    public static string Name =>
        Avx512BW.VL.IsSupported && Vector512.IsHardwareAccelerated ? "avx512"
        : Avx2.IsSupported ? "avx2"
        : AdvSimd.IsSupported ? "neon"
        : Vector128.IsHardwareAccelerated ? "vector128"
        : "scalar";

    /// <summary>The level of x64 that this processor has and that the program was not compiled for, ahead of time; null where nothing is left unused or the program is compiled as it runs.</summary>
    public static string? UnusedLevel
    {
        get
        {
            if (RuntimeFeature.IsDynamicCodeSupported || !X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < ExtendedFeatures)
            {
                return null;
            }

            uint has = (uint)X86Base.CpuId(ExtendedFeatures, 0).Ebx;
            return Has(has, Avx512F, Avx512Dq, Avx512Cd, Avx512Bw, Avx512Vl) ? (Name == "avx512" ? null : "x86-64-v4")
                : Has(has, Avx2Bit) && !Avx2.IsSupported ? "x86-64-v3"
                : null;
        }
    }

    private static bool Has(uint word, params ReadOnlySpan<int> bits)
    {
        foreach (int bit in bits)
        {
            if ((word >> bit & 1) == 0)
            {
                return false;
            }
        }

        return true;
    }

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
