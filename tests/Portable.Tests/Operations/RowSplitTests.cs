using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;
using Portable.Tests.Arithmetic;

namespace Portable.Tests.Operations;

/// <summary>Enough rows that they are spread over threads: each has the bits it has alone.</summary>
public class RowSplitTests
{
    private const int Rows = 70, Columns = 520;

    private static readonly float[] X = AwkwardValues.Activations(Rows * 2 * Columns, 1);

    [Fact]
    public void NormsAndGates()
    {
        float[] gain = AwkwardValues.Activations(Columns, 2), bias = AwkwardValues.Activations(Columns, 3);
        EveryRow(Columns, (x, rows, y) => Normalization.RmsNorm(x, rows, Columns, gain, 1e-5f, y));
        EveryRow(Columns, (x, rows, y) => Normalization.LayerNorm(x, rows, Columns, gain, bias, 1e-5f, y));
        EveryRow(2 * Columns, (x, rows, y) => Activation.GateRows(ActivationKind.Silu, x, rows, Columns, y));
        Assert.Throws<ArgumentException>(() => Normalization.RmsNorm(new float[3], 1, 4, gain, 1e-5f, new float[4]));
        Assert.Throws<ArgumentException>(() => Activation.GateRows(ActivationKind.Silu, new float[7], 1, 4, new float[4]));
    }

    [Theory]
    [InlineData(ActivationMode.Symmetric, 16, 128)]
    [InlineData(ActivationMode.Asymmetric, 4, 0)]
    [InlineData(ActivationMode.Static, 8, 0)]
    public void Quantizers(ActivationMode mode, int bits, int groupSize)
    {
        CodeFormat format = new(bits, mode != ActivationMode.Asymmetric);
        ActivationQuantizer quantizer = new(format, mode, groupSize, mode == ActivationMode.Static ? 0.02f : 0);
        GroupLayout layout = new(Columns, groupSize);
        QuantizedActivations whole = new(Rows, layout, format, groupSize), one = new(1, layout, format, groupSize);
        ActivationQuantization.Quantize(X, Rows, Columns, quantizer, whole);
        for (int row = 0; row < Rows; row++)
        {
            ActivationQuantization.Quantize(X.AsSpan(row * Columns, Columns), 1, Columns, quantizer, one);
            Assert.Equal(one.Codes, whole.Codes[(row * layout.PaddedColumns)..((row + 1) * layout.PaddedColumns)]);
            Assert.Equal(one.RowSums, whole.RowSums[(row * layout.Groups)..((row + 1) * layout.Groups)]);
            Assert.Equal(one.Scales, whole.Scales[(row * one.Scales.Length)..((row + 1) * one.Scales.Length)]);
            Assert.Equal(one.ZeroPoints, whole.ZeroPoints[(row * one.Scales.Length)..((row + 1) * one.Scales.Length)]);
        }
    }

    private delegate void Operation(ReadOnlySpan<float> x, int rows, Span<float> y);

    private static void EveryRow(int width, Operation operation)
    {
        float[] whole = new float[Rows * Columns], one = new float[Columns];
        operation(X, Rows, whole);
        for (int row = 0; row < Rows; row++)
        {
            operation(X.AsSpan(row * width, width), 1, one);
            Assert.Equal(AwkwardValues.Bits(one), AwkwardValues.Bits(whole.AsSpan(row * Columns, Columns)));
        }
    }
}
