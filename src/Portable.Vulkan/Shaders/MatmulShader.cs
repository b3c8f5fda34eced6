using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>A matmul kernel: a technique with its tile fixed.</summary>
internal abstract record MatmulShader : Shader<MatmulPush>
{
    /// <summary>What all techniques are specialized for.</summary>
    public MatmulConstants Matmul { get; init; }

    /// <summary>Invocations of a workgroup.</summary>
    public abstract int WorkgroupSize { get; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Matmul.Bits);
        constants.Set(1, Matmul.Digits);
        constants.Set(2, Matmul.GroupBlocks);
        constants.Set(3, (uint)Matmul.ZW);
        constants.Set(4, (uint)Matmul.ZX);
        constants.Set(5, Matmul.Output);
        constants.Set(40, Matmul.HalfScales);
        constants.Set(41, Matmul.WeightSpan);
        constants.Set(42, Matmul.XSpan);
    }
}

/// <summary>The constants that all matmul kernels share (shaders/include/matmul.glsl).</summary>
/// <param name="Bits">Weight planes.</param>
/// <param name="Digits">Activation digits.</param>
/// <param name="GroupBlocks">Blocks of a scale group, 0 where there is one group.</param>
/// <param name="ZW">Stored zero points of weights.</param>
/// <param name="ZX">Stored zero points of activations; constant: minus the offset of storing.</param>
/// <param name="Output">0: f32 or f16; 1: int32 before scaling.</param>
/// <param name="HalfScales">Whether weight scales are halves.</param>
/// <param name="WeightSpan">Groups that share a weight scale, 0 = all.</param>
/// <param name="XSpan">Groups that share an activation's scale, where it is not the token's.</param>
internal readonly record struct MatmulConstants(int Bits, int Digits, int GroupBlocks, StoredZeros ZW, StoredZeros ZX, uint Output, bool HalfScales, int WeightSpan, int XSpan);

/// <summary>What a matmul kernel must expect of stored zero points.</summary>
internal enum StoredZeros : uint
{
    Zero,
    Constant,
    Varying,
}

/// <summary>Push constants of the matmul kernels; scratch memory is read by kernels that split K only.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct MatmulPush
{
    public ulong X, XHigh, XScales, XSums, XHighSums, W, WScales, WZeros, WSums, Bias, Y;
    public uint M, N, K, GroupSize, YStride;
    public int Zw, XOffset;
    public uint Flags;
    public ulong Scratch;
}
