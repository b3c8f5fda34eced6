using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Tests.Oracle;

namespace Portable.Tests.BitPlanes;

/// <summary>A plain case in the product's types.</summary>
internal sealed class MatmulOperands
{
    public MatmulOperands(MatmulCase c, bool baseFive = false)
    {
        GroupLayout layout = new(c.K, c.GroupSize);
        CodeFormat weights = new(c.WeightBits, c.WeightSigned), activations = new(c.ActivationBits, c.ActivationSigned);
        BitPlaneMatrix planes = BitPacking.Pack(Array.ConvertAll(c.W, v => (short)v), c.N, layout, weights);
        planes = baseFive ? BaseFiveRows.Pack(planes) : planes;
        ActivationMode mode = c.ActivationSigned ? ActivationMode.Symmetric : ActivationMode.Asymmetric;
        byte[]? zeros = Array.TrueForAll(c.WeightZeros, z => z == 0) ? null : Array.ConvertAll(c.WeightZeros, z => (byte)z);
        Linear = new QuantizedLinear(planes, c.WeightScales, zeros, c.Bias, new ActivationQuantizer(activations, mode, c.ActivationGroup), c.WeightGroup);
        X = Activations(c, layout, activations);
    }

    public QuantizedLinear Linear { get; }

    public QuantizedActivations X { get; }

    private static QuantizedActivations Activations(MatmulCase c, GroupLayout layout, CodeFormat format)
    {
        // One row more than is valid, full of codes that must not be read.
        QuantizedActivations x = new(c.M + 1, layout, format, c.ActivationGroup) { Rows = c.M };
        Array.Fill(x.Codes, (byte)0x55, c.M * layout.PaddedColumns, layout.PaddedColumns);
        for (int m = 0; m < c.M; m++)
        {
            for (int k = 0; k < c.K; k++)
            {
                int code = c.X[m * c.K + k], index = m * layout.PaddedColumns + layout.PaddedIndex(k), group = m * layout.Groups + k / layout.GroupSize;
                bool digits = format.Bits == 16;
                x.Codes[index] = (byte)code;
                x.RowSums[group] += digits ? code & 255 : code;
                if (digits)
                {
                    x.HighDigits![index] = (byte)(code >> 8);
                    x.HighRowSums![group] += code >> 8;
                }
            }
        }

        c.ActivationScales.CopyTo(x.Scales, 0);
        c.ActivationZeros.CopyTo(x.ZeroPoints, 0);
        return x;
    }
}
