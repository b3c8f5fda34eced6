using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

namespace Portable.Vulkan.Matmul.Operands;

/// <summary>Linear layers and activations made from a seed, for self-checks, tuning and benchmarks.</summary>
internal static class SyntheticMatmul
{
    /// <summary>Uniform random codes, scales in (0, 1], zero points where the formats are unsigned.</summary>
    public static (QuantizedLinear Linear, QuantizedActivations X) Random(int m, int n, int k, int group, CodeFormat w, CodeFormat a, int seed)
    {
        var random = new Random(seed);
        var layout = new GroupLayout(k, group);
        ulong[] words = new ulong[BitPlaneMatrix.WordCount(n, layout, w)];
        random.NextBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(words.AsSpan()));
        int[] sums = new int[n * layout.Groups];
        MaskAndSum(words, sums, n, layout, w);
        float[] scales = [.. Enumerable.Range(0, sums.Length).Select(_ => (1 + random.Next(1 << 20)) / (float)(1 << 20))];
        byte[]? zeros = w.Signed ? null : [.. Enumerable.Range(0, sums.Length).Select(_ => (byte)random.Next(w.Maximum + 1))];
        var input = new ActivationQuantizer(a, a.Signed ? ActivationMode.Symmetric : ActivationMode.Asymmetric, group);
        return (new QuantizedLinear(new BitPlaneMatrix(n, layout, w, words, sums), scales, zeros, null, input), Activations(m, layout, a, group != 0, random));
    }

    /// <summary>Uniform random activations.</summary>
    public static QuantizedActivations Activations(int m, GroupLayout layout, CodeFormat a, bool groupScales, Random random)
    {
        var x = new QuantizedActivations(m, layout, a, groupScales && layout.Groups > 1) { Rows = m };
        for (int row = 0; row < m; row++)
        {
            for (int g = 0; g < layout.Groups; g++)
            {
                int start = row * layout.PaddedColumns + layout.FirstBlock(g) * GroupLayout.BlockSize, s = row * layout.Groups + g;
                for (int i = start; i < start + layout.ColumnsIn(g); i++)
                {
                    int code = random.Next(a.Minimum, a.Maximum + 1);
                    x.Codes[i] = (byte)code;
                    x.RowSums[s] += a.Bits == 16 ? code & 255 : code;
                    if (x.HighDigits is { } high)
                    {
                        high[i] = (byte)(code >> 8);
                        x.HighRowSums![s] += code >> 8;
                    }
                }
            }
        }

        for (int i = 0; i < x.Scales.Length; i++)
        {
            x.Scales[i] = (1 + random.Next(1 << 20)) / (float)(1 << 20);
            x.ZeroPoints[i] = a.Signed ? 0 : random.Next(a.Maximum + 1);
        }

        return x;
    }

    private static void MaskAndSum(ulong[] words, int[] sums, int n, GroupLayout layout, CodeFormat w)
    {
        WorkerPool.Run(n, row =>
        {
            for (int g = 0; g < layout.Groups; g++)
            {
                for (int b = layout.FirstBlock(g); b < layout.EndBlock(g); b++)
                {
                    int columns = Math.Min(GroupLayout.BlockSize, layout.ColumnsIn(g) - (b - layout.FirstBlock(g)) * GroupLayout.BlockSize);
                    ulong mask = columns == 64 ? ulong.MaxValue : (1UL << columns) - 1;
                    for (int plane = 0; plane < w.Bits; plane++)
                    {
                        ref ulong word = ref words[(row * layout.Blocks + b) * w.Bits + plane];
                        word &= mask;
                        sums[row * layout.Groups + g] += w.PlaneWeight(plane) * System.Numerics.BitOperations.PopCount(word);
                    }
                }
            }
        });
    }
}
