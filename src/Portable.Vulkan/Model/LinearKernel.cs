using System.Runtime.InteropServices;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Model;

[StructLayout(LayoutKind.Sequential)]
internal record struct LinearPush(ulong Codes, ulong HighCodes, ulong Scales, ulong Sums, ulong HighSums, ulong Weights, ulong WeightScales, ulong WeightZeros, ulong WeightSums, ulong Bias, ulong Y,
    uint Stride, uint Column, uint N, uint Columns, uint GroupColumns, uint BlocksPerGroup, uint Blocks, uint GroupsAndScales, uint Offset);

internal static class LinearKernel
{
    public static VulkanLinear Upload(VulkanContext gpu, QuantizedLinear l)
    {
        int count = l.Scales.Length;
        uint[] zeros = new uint[count];
        for (int i = 0; i < count; i++) zeros[i] = l.ZeroPoints?[i] ?? 0u;
        return new VulkanLinear(l, gpu.Allocate<ulong>(l.Weights.Words), gpu.Allocate<float>(l.Scales), gpu.Allocate<uint>(zeros), gpu.Allocate<int>(l.Weights.RowSums), gpu.Allocate<float>(l.Bias ?? new float[l.OutputFeatures]));
    }

    public static unsafe int Record(VulkanContext gpu, CommandRecorder recorder, VulkanInput input, int rows, VulkanLinear w, VulkanActivation y, int column, bool residual)
    {
        GroupLayout layout = w.Layout;
        CodeFormat x = input.Spec.Quantizer!.Format;
        PreparedConstants a = input.Addresses;
        ComputePipeline p = gpu.CreatePipeline("linear_plain", sizeof(LinearPush), [64, (uint)w.Format.Bits, w.Format.Signed ? 1u : 0u, (uint)x.Bits, x.Signed ? 1u : 0u, residual ? 1u : 0u]);
        recorder.Dispatch(p, new LinearPush(a.Codes, a.HighCodes, a.Scales, a.Sums, a.HighSums, w.Weights.Address, w.Scales.Address, w.Zeros.Address, w.Sums.Address, w.Bias.Address, y.Address,
            (uint)y.Columns, (uint)column, (uint)w.OutputFeatures, (uint)layout.Columns, (uint)layout.GroupSize, (uint)layout.BlocksPerGroup, (uint)layout.Blocks,
            (uint)layout.Groups | (input.GroupScales ? (uint)layout.Groups : 1u) << 16, x.Bits == 16 || (x.Bits == 8 && !x.Signed) ? 128u : 0u), (w.OutputFeatures + 63) / 64, rows);
        return 1;
    }
}
