using FsCheck.Xunit;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;
using Portable.Tests.Arithmetic;

namespace Portable.Tests.Operations;

/// <summary>Quantizers against plain loops over the definitions.</summary>
public class ActivationQuantizationTests
{
    private static readonly int[] Widths = [1, 2, 3, 4, 5, 6, 7, 8, 16];

    [Property(MaxTest = 100)]
    public void DynamicCodesScalesAndSums(int seed, byte width, byte size, byte count, byte groups, bool symmetric)
    {
        int bits = Widths[width % Widths.Length];
        symmetric |= bits == 16;
        bits = symmetric && bits == 1 ? 2 : bits;
        int columns = 1 + size, rows = 1 + count % 4, groupSize = groups % 3 == 0 ? 0 : 1 + groups % 100;
        CodeFormat format = new(bits, symmetric);
        ActivationQuantizer quantizer = new(format, symmetric ? ActivationMode.Symmetric : ActivationMode.Asymmetric, groupSize);
        float[] x = AwkwardValues.Activations(rows * columns, seed);
        // Codes are laid out in the weights' groups where those are finer.
        int cut = groupSize != 0 && groupSize % 2 == 0 && seed % 2 == 0 ? groupSize / 2 : groupSize;
        QuantizedActivations output = new(rows, new GroupLayout(columns, cut), format, groupSize);
        Array.Fill(output.Codes, (byte)0xAA);
        ActivationQuantization.Quantize(x, rows, columns, quantizer, output);
        Assert.Equal(rows, output.Rows);
        int span = groupSize == 0 ? columns : groupSize;
        for (int row = 0; row < rows; row++)
        {
            for (int first = 0, part = 0; first < columns; first += span, part++)
            {
                float[] v = x[(row * columns + first)..(row * columns + Math.Min(first + span, columns))];
                int parts = output.Scales.Length / rows;
                (float scale, int zero) = (output.Scales[row * parts + part], output.ZeroPoints[row * parts + part]);
                float lo = MathF.Min(0, v.Min()), hi = MathF.Max(0, v.Max()), levels = (1 << bits) - 1, limit = (1 << (bits - 1)) - 1;
                float expected = symmetric ? v.Max(MathF.Abs) * (1f / limit) : (hi - lo) * (1f / levels);
                expected = MathF.Min(MathF.Max(expected, 5.9604645e-8f), 16384f);
                Assert.Equal(expected, scale);
                float r = Contract.Reciprocal(scale);
                Assert.Equal(symmetric ? 0 : (int)Math.Clamp(MathF.Round(-lo * r), 0, levels), zero);
                CheckCodes(output, row, first, v.Length, i => symmetric
                    ? (int)Math.Clamp(MathF.Round(v[i] * r), -limit - 1, limit)
                    : (int)Math.Clamp(MathF.Round(v[i] * r) + zero, 0, levels));
            }
        }

        CheckSumsAndPadding(output);
    }

    [Property(MaxTest = 60)]
    public void StaticCodesWithAndWithoutAColumnMap(int seed, byte width, byte size, byte count, bool mapped)
    {
        int bits = Math.Max(2, Widths[width % Widths.Length]), columns = 1 + size, rows = 1 + count % 4;
        int limit = (1 << (bits - 1)) - 1;
        Random random = new(seed);
        ColumnMap? map = null;
        if (mapped)
        {
            // Sorted as flattening gives them, neighbours repeating a channel; or in any order.
            int expanded = columns + random.Next(40);
            int[] sources = [.. Enumerable.Range(0, expanded).Select(j => j < columns ? j : random.Next(columns))];
            if (random.Next(2) == 0)
            {
                Array.Sort(sources);
            }

            map = new ColumnMap(
                sources,
                [.. Enumerable.Range(0, expanded).Select(j => j < columns ? 0 : random.Next(100))],
                [.. Enumerable.Range(0, expanded).Select(_ => random.Next(limit + 1))]);
        }

        ActivationQuantizer quantizer = new(new CodeFormat(bits, true), ActivationMode.Static, 0, 2.5f / limit, map);
        float[] x = AwkwardValues.Activations(rows * columns, seed);
        QuantizedActivations output = new(rows, new GroupLayout(map?.Source.Length ?? columns, 70), quantizer.Format, 0);
        ActivationQuantization.Quantize(x, rows, columns, quantizer, output);
        long clipped = 0;
        for (int row = 0; row < rows; row++)
        {
            int[] wide = [.. x[(row * columns)..((row + 1) * columns)].Select(v => (int)Contract.RoundHalfAway(v * (1f / quantizer.StaticScale)))];
            CheckCodes(output, row, 0, output.Layout.Columns, j => map is null
                ? Math.Clamp(wide[j], -limit, limit)
                : Math.Sign(wide[map.Source[j]]) * Math.Clamp(Math.Abs(wide[map.Source[j]]) - map.Offset[j], 0, map.Limit[j]));
            Assert.Equal(quantizer.StaticScale, output.Scales[row]);
            Assert.Equal(0, output.ZeroPoints[row]);
            for (int i = 0; i < columns; i++)
            {
                int reach = map is null ? limit : Enumerable.Range(0, map.Source.Length).Where(j => map.Source[j] == i).Max(j => map.Offset[j] + map.Limit[j]);
                clipped += Math.Abs(wide[i]) > reach ? 1 : 0;
            }
        }

        CheckSumsAndPadding(output);
        Assert.Equal(clipped, ActivationQuantization.CountClipped(x, rows, columns, quantizer));
    }

    [Fact]
    public void ExtremeMagnitudesKeepTheScaleInRange()
    {
        QuantizedActivations output = new(1, new GroupLayout(2), new CodeFormat(8, true), 0);
        ActivationQuantizer quantizer = new(output.Format, ActivationMode.Symmetric, 0);
        ActivationQuantization.Quantize([0f, 0f], 1, 2, quantizer, output);
        Assert.Equal((5.9604645e-8f, (byte)0), (output.Scales[0], output.Codes[0]));
        ActivationQuantization.Quantize([1e30f, -1e30f], 1, 2, quantizer, output);
        Assert.Equal((16384f, (byte)127, unchecked((byte)-128)), (output.Scales[0], output.Codes[0], output.Codes[1]));
    }

    [Fact]
    public void MismatchesAreRefused()
    {
        QuantizedActivations output = new(1, new GroupLayout(100, 50), new CodeFormat(4, true), 0);
        float[] x = new float[200];
        ActivationQuantizer symmetric = new(output.Format, ActivationMode.Symmetric, 0);
        Assert.Throws<ArgumentException>(() => ActivationQuantization.Quantize(x, 1, 99, symmetric, output));
        Assert.Throws<ArgumentException>(() => ActivationQuantization.Quantize(x, 1, 100, symmetric with { GroupSize = 50 }, output));
        Assert.Throws<ArgumentException>(() => ActivationQuantization.Quantize(x, 1, 100, symmetric with { Format = new CodeFormat(5, true) }, output));
        Assert.Throws<ArgumentException>(() => ActivationQuantization.Quantize(x, 1, 100, symmetric with { Mode = ActivationMode.Asymmetric }, output));
        Assert.Throws<ArgumentOutOfRangeException>(() => ActivationQuantization.Quantize(x, 2, 100, symmetric, output));
        Assert.Throws<ArgumentException>(() => ActivationQuantization.CountClipped(x, 1, 100, symmetric));
    }

    private static int CodeAt(QuantizedActivations output, int row, int column)
    {
        int index = row * output.Layout.PaddedColumns + output.Layout.PaddedIndex(column);
        return output.HighDigits is { } high ? 256 * (sbyte)high[index] + output.Codes[index]
            : output.Format.Signed ? (sbyte)output.Codes[index] : output.Codes[index];
    }

    private static void CheckCodes(QuantizedActivations output, int row, int first, int count, Func<int, int> expected)
    {
        for (int i = 0; i < count; i++)
        {
            Assert.Equal(expected(i), CodeAt(output, row, first + i));
        }
    }

    private static void CheckSumsAndPadding(QuantizedActivations output)
    {
        GroupLayout layout = output.Layout;
        bool[] used = new bool[layout.PaddedColumns];
        for (int column = 0; column < layout.Columns; column++)
        {
            used[layout.PaddedIndex(column)] = true;
        }

        for (int row = 0; row < output.Rows; row++)
        {
            for (int j = 0; j < used.Length; j++)
            {
                int index = row * used.Length + j;
                Assert.True(used[j] || (output.Codes[index] == 0 && (output.HighDigits?[index] ?? 0) == 0));
            }

            for (int group = 0; group < layout.Groups; group++)
            {
                IEnumerable<int> codes = Enumerable.Range(layout.FirstColumn(group), layout.ColumnsIn(group)).Select(c => CodeAt(output, row, c));
                int index = row * layout.Groups + group;
                if (output.HighRowSums is { } high)
                {
                    Assert.Equal(codes.Sum(c => c & 255), output.RowSums[index]);
                    Assert.Equal(codes.Sum(c => c >> 8), high[index]);
                }
                else
                {
                    Assert.Equal(codes.Sum(), output.RowSums[index]);
                }
            }
        }
    }
}
