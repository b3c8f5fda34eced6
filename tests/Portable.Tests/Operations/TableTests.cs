using FsCheck.Xunit;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Tests.Operations;

/// <summary>The H part: a table of codes as an embedding and as a head, against plain loops over its codes.</summary>
public class TableTests
{
    [Property(MaxTest = 40)]
    public void EveryRowIsRoundedToTheNearestLevelsOfItsOwnGrid(int seed, byte h, byte words, ushort width)
    {
        (int bits, int rows, int columns) = (2 + h % 7, 1 + words % 40, 1 + width % 200);
        float[] values = Values(rows * columns, seed);
        QuantizedLinear table = Quantize(values, rows, columns, bits, out double error);
        short[] codes = Codes(table);
        double difference = 0, norm = 0;
        for (int row = 0; row < rows; row++)
        {
            (double scale, int zero, int largest) = (table.Scales[row], table.ZeroPoints![row], (1 << bits) - 1);
            for (int k = 0; k < columns; k++)
            {
                double value = values[row * columns + k], level = scale * (codes[row * columns + k] - zero);
                double nearest = Enumerable.Range(0, largest + 1).Min(c => Math.Abs(scale * (c - zero) - value));
                Assert.Equal(nearest, Math.Abs(level - value), 1e-9);
                (difference, norm) = (difference + (level - value) * (level - value), norm + value * value);
            }
        }

        Assert.Equal(norm > 0 ? Math.Sqrt(difference / norm) : 0, error, 1e-9);
    }

    /// <summary>No row is further from its table than its min-max grid lets it be: half a step of the widened range.</summary>
    [Property(MaxTest = 40)]
    public void ErrorsStayWithinTheRangeOfTheRow(int seed, byte h, ushort width)
    {
        (int bits, int columns) = (2 + h % 7, 1 + width % 200);
        float[] values = Values(columns, seed), read = new float[columns];
        QuantizedLinear table = Quantize(values, 1, columns, bits, out _);
        Embedding.Lookup(table, 0, read);
        double range = Math.Max(0, values.Max()) - (double)Math.Min(0, values.Min()), step = Math.Max(range / ((1 << bits) - 1), Math.ScaleB(1, -24));
        double minMax = columns * step * step / 4, error = values.Zip(read, (a, b) => ((double)a - b) * ((double)a - b)).Sum();
        Assert.True(error <= minMax * 4.000001, $"{error} over {minMax}");
    }

    [Property(MaxTest = 40)]
    public void AnEmbeddingIsTheLevelsOfItsRow(int seed, byte h, byte words, ushort width)
    {
        (int bits, int rows, int columns) = (2 + h % 7, 1 + words % 40, 1 + width % 200);
        QuantizedLinear table = Quantize(Values(rows * columns, seed), rows, columns, bits, out _);
        short[] codes = Codes(table);
        float[] output = new float[columns];
        foreach (int row in new[] { 0, rows - 1, rows / 2 })
        {
            Embedding.Lookup(table, row, output);
            ElementwiseTests.Equal(columns, k => (float)(codes[row * columns + k] - table.ZeroPoints![row]) * table.Scales[row], output);
            Assert.All(output, v => Assert.Equal(BitConverter.SingleToInt32Bits(Contract.Canonical(v)), BitConverter.SingleToInt32Bits(v)));
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => Embedding.Lookup(table, rows, output));
        Assert.Throws<ArgumentOutOfRangeException>(() => Embedding.Lookup(table, -1, output));
    }

    /// <summary>Through the execution seam, a table that is both: what Embed reads and Logits multiply.</summary>
    [Property(MaxTest = 40)]
    public void AHeadIsExactIntegersThenTheContractsScaling(int seed, byte h, byte words, ushort width, byte count)
    {
        (int bits, int vocabulary, int columns, int tokens) = (2 + h % 7, 1 + words % 90, 1 + width % 200, 1 + count % 9);
        QuantizedLinear table = Quantize(Values(vocabulary * columns, seed), vocabulary, columns, bits, out _);
        short[] codes = Codes(table);
        float[] gain = Values(columns, seed + 1);
        using CpuExecutor executor = new();
        DeviceTable device = executor.Upload(new TableWeights(table));
        DeviceNorm norm = executor.Upload(new NormWeights(gain, null), 1e-5f);
        DeviceActivation x = executor.CreateActivation(columns);
        int[] ids = [.. Enumerable.Range(0, tokens).Select(t => (int)((uint)(seed + t * 31) % vocabulary))];
        executor.Begin(Batch.Consecutive(ids, 0, allLogits: true));
        executor.Embed(device, 1, null, 0, x);
        executor.Logits(x, norm, device, 0);
        float[] logits = executor.End().ToArray(), hidden = new float[tokens * columns];
        Normalization.RmsNorm(((CpuActivation)x).Rows(tokens), tokens, columns, gain, 1e-5f, hidden);
        ElementwiseTests.Equal(logits.Length, i => Logit(hidden.AsSpan(i / vocabulary * columns, columns), codes.AsSpan(i % vocabulary * columns, columns), table, i % vocabulary), logits);
    }

    private static float Logit(ReadOnlySpan<float> hidden, ReadOnlySpan<short> codes, QuantizedLinear table, int row)
    {
        QuantizedActivations x = new(1, new GroupLayout(hidden.Length), new CodeFormat(8, signed: true), 0);
        ActivationQuantization.Quantize(hidden, 1, hidden.Length, table.Input, x);
        long sum = 0;
        for (int k = 0; k < hidden.Length; k++)
        {
            sum += (sbyte)x.Codes[k] * (long)(codes[k] - table.ZeroPoints![row]);
        }

        float scale = x.Scales[0] * table.Scales[row], value = sum;
        return Contract.Canonical(value * scale);
    }

    private static QuantizedLinear Quantize(float[] values, int rows, int columns, int bits, out double error) =>
        TableQuantizer.Quantize(rows, columns, bits, rows % 2 == 0 ? ScaleFormat.Half : ScaleFormat.Single, (row, target) => values.AsSpan(row * columns, columns).CopyTo(target), out error);

    private static short[] Codes(QuantizedLinear table)
    {
        short[] codes = new short[table.Weights.Rows * table.Weights.Columns];
        BitPacking.Unpack(table.Weights, codes);
        return codes;
    }

    /// <summary>Rows as embeddings have them, with zeros, ones that are all of a sign, and outliers.</summary>
    private static float[] Values(int count, int seed)
    {
        Random random = new(seed);
        int kind = random.Next(4);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(kind switch
        {
            0 => 0,
            1 => random.NextDouble(),
            2 => random.Next(30) == 0 ? 40 * (random.NextDouble() - 0.5) : random.NextDouble() - 0.5,
            _ => (random.NextDouble() + random.NextDouble() - 1) * 0.02,
        }))];
    }
}
