using Portable.Models;
using Portable.Reference.BitPlanes;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Vulkan.Matmul.Operands;

/// <summary>Linear layers and activations made from a seed, for self-checks, tuning and benchmarks.</summary>
internal static class SyntheticMatmul
{
    /// <summary>Uniform random codes, scales in (0, 1], zero points where the formats are unsigned.</summary>
    public static (QuantizedLinear Linear, QuantizedActivations X) Random(int m, int n, int k, int group, CodeFormat w, CodeFormat a, int seed)
    {
        var random = new Random(seed);
        var layout = new GroupLayout(k, group);
        BitPlaneMatrix codes = SyntheticLinear.Codes(n, layout, w, balanced: false, (ulong)seed << 56);
        float[] scales = [.. Enumerable.Range(0, codes.RowSums.Length).Select(_ => (1 + random.Next(1 << 20)) / (float)(1 << 20))];
        byte[]? zeros = w.Signed ? null : [.. Enumerable.Range(0, codes.RowSums.Length).Select(_ => (byte)random.Next(w.Maximum + 1))];
        var input = new ActivationQuantizer(a, a.Signed ? ActivationMode.Symmetric : ActivationMode.Asymmetric, group);
        return (new QuantizedLinear(codes, scales, zeros, null, input), Activations(m, layout, a, group != 0, random));
    }

    /// <summary>Uniform random activations.</summary>
    public static QuantizedActivations Activations(int m, GroupLayout layout, CodeFormat a, bool groupScales, Random random)
    {
        var x = new QuantizedActivations(m, layout, a, groupScales ? layout.GroupSize : 0) { Rows = m };
        int[] codes = new int[layout.Columns];
        for (int row = 0; row < m; row++)
        {
            foreach (ref int code in codes.AsSpan())
            {
                code = random.Next(a.Minimum, a.Maximum + 1);
            }

            CodeStorage.StoreRow(codes, x, row);
        }

        for (int i = 0; i < x.Scales.Length; i++)
        {
            x.Scales[i] = (1 + random.Next(1 << 20)) / (float)(1 << 20);
            x.ZeroPoints[i] = a.Signed ? 0 : random.Next(a.Maximum + 1);
        }

        return x;
    }
}
