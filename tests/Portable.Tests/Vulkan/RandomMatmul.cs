using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;

namespace Portable.Tests.Vulkan;

/// <summary>A random linear layer and its activations from a seed; what kernels are judged on.</summary>
internal sealed record RandomMatmul(QuantizedLinear Linear, QuantizedActivations Activations)
{
    public static RandomMatmul Create(int m, int n, int k, int group, CodeFormat w, CodeFormat a, int seed, bool zeros = true, bool bias = false, bool extreme = false)
    {
        var random = new Random(seed);
        // Of weights and activations one has the groups that sums are cut at, the other those, more, or one for all.
        int coarser = group == 0 ? 0 : random.Next(3) switch { 0 => 0, 1 => group, _ => group * random.Next(2, 4) };
        (int weightGroup, int activationGroup) = random.Next(2) == 0 ? (group, coarser) : (coarser, group);
        var layout = GroupLayout.Cut(k, weightGroup, activationGroup);
        bool halves = random.Next(2) == 0;
        short Code(CodeFormat f) => (short)(extreme ? (random.Next(4) > 0 ? f.Minimum : f.Maximum) : random.Next(f.Minimum, f.Maximum + 1));

        short[] codes = new short[n * k];
        foreach (ref short c in codes.AsSpan())
        {
            c = Code(w);
        }

        BitPlaneMatrix matrix = BitPacking.Pack(codes, n, layout, w);
        float[] scales = [.. Enumerable.Range(0, n * layout.Scales(weightGroup).Count).Select(_ => halves ? WeightScales.FromHalf((ushort)random.Next(0x1000, 0x7000)) : 0.001f + random.NextSingle())];
        byte[]? zeroPoints = zeros ? [.. Enumerable.Range(0, scales.Length).Select(_ => (byte)random.Next(0, Math.Max(w.Maximum, 0) + 1))] : null;
        float[]? biases = bias ? [.. Enumerable.Range(0, n).Select(_ => random.NextSingle() - 0.5f)] : null;
        var input = new ActivationQuantizer(a, a.Signed ? ActivationMode.Symmetric : ActivationMode.Asymmetric, activationGroup);

        var x = new QuantizedActivations(m, layout, a, activationGroup) { Rows = m };
        for (int row = 0; row < m; row++)
        {
            for (int column = 0; column < k; column++)
            {
                int code = Code(a), at = row * layout.PaddedColumns + layout.PaddedIndex(column), g = row * layout.Groups + column / layout.GroupSize;
                x.Codes[at] = (byte)code;
                if (x.HighDigits is { } high)
                {
                    high[at] = (byte)(code >> 8);
                    x.RowSums[g] += code & 255;
                    x.HighRowSums![g] += code >> 8;
                }
                else
                {
                    x.RowSums[g] += code;
                }
            }
        }

        for (int i = 0; i < x.Scales.Length; i++)
        {
            x.Scales[i] = 0.001f + random.NextSingle();
            x.ZeroPoints[i] = a.Signed ? 0 : random.Next(0, a.Maximum + 1);
        }

        return new RandomMatmul(new QuantizedLinear(matrix, scales, zeroPoints, biases, input, weightGroup), x);
    }
}
