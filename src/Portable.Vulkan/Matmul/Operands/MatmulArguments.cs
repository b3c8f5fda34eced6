using System.Runtime.InteropServices;

namespace Portable.Vulkan.Matmul.Operands;

/// <summary>Push constants of the matmul kernels, as in shaders/include/matmul.glsl.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MatmulArguments
{
    public ulong X, XHigh, XScales, XSums, XHighSums, W, WScales, WZeros, WSums, Bias, Y;
    public uint M, N, K, GroupSize, YStride;
    public int Zw, XOffset;
    public uint Flags;
    public ulong Scratch;
}
