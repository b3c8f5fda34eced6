using Portable.Reference.BitPlanes;
using Portable.Reference.Threading;

namespace Portable.Reference.Quantization;

/// <summary>
/// Embedding and head in few bits (the H part of a scheme): every row to the nearest levels of a grid of its own, so that one
/// table serves both, row by row as an embedding and as the weights of a linear layer with 8-bit activations as a head.
/// </summary>
internal static class TableQuantizer
{
    /// <summary>Gives a row of the table.</summary>
    /// <param name="row">Its number.</param>
    /// <param name="values">Receives its columns.</param>
    public delegate void RowReader(int row, Span<float> values);

    /// <summary>Quantizes a table.</summary>
    /// <param name="rows">Rows (the vocabulary).</param>
    /// <param name="columns">Columns (the width of the residual stream).</param>
    /// <param name="bits">Bits of a code, 2…8.</param>
    /// <param name="format">What scales are rounded to.</param>
    /// <param name="read">Gives the rows, on several threads at once.</param>
    /// <param name="error">‖Ŵ−W‖/‖W‖, the same on any number of threads.</param>
    public static QuantizedLinear Quantize(int rows, int columns, int bits, ScaleFormat format, RowReader read, out double error)
    {
        QuantizationScheme scheme = new(bits, 8);
        GroupLayout layout = new(columns);
        CodeFormat codeFormat = scheme.WeightFormat;
        ulong[] words = new ulong[BitPlaneMatrix.WordCount(rows, layout, codeFormat)];
        int[] sums = new int[rows];
        float[] scales = new float[rows];
        byte[] zeros = new byte[rows];
        double[] differences = new double[rows], norms = new double[rows];
        int rowWords = layout.Blocks * codeFormat.Bits;
        WorkerPool.Run(rows, row =>
        {
            float[] values = new float[columns];
            read(row, values);
            (WeightGrid grid, differences[row]) = Grid(values, scheme.LargestWeightCode, format);
            short[] codes = new short[columns];
            for (int k = 0; k < columns; k++)
            {
                codes[k] = (short)grid.Encode(values[k]);
                norms[row] += (double)values[k] * values[k];
            }

            (scales[row], zeros[row]) = (grid.Scale, (byte)grid.ZeroPoint);
            BitPacking.PackRow(codes, row, layout, codeFormat, words.AsSpan(row * rowWords, rowWords), sums.AsSpan(row, 1));
        });
        double norm = norms.Sum();
        error = Math.Sqrt(norm > 0 ? differences.Sum() / norm : 0);
        return new QuantizedLinear(new BitPlaneMatrix(rows, layout, codeFormat, words, sums), scales, zeros, null, RoundToNearest.PerToken(scheme));
    }

    /// <summary>
    /// The asymmetric grid of the row's range, clipped as long as that lowers the squared error: to 19/20, 18/20 … of it. A few bits
    /// gain much from it (H4: an eighth of the error), eight gain nothing and stop at once.
    /// </summary>
    private static (WeightGrid Grid, double SquaredError) Grid(ReadOnlySpan<float> values, int largestCode, ScaleFormat format)
    {
        const int Steps = 20;
        float lo = 0, hi = 0;
        foreach (float value in values)
        {
            lo = MathF.Min(lo, value);
            hi = MathF.Max(hi, value);
        }

        WeightGrid best = WeightGrid.Asymmetric(lo, hi, largestCode, format);
        double least = SquaredError(best, values);
        for (int step = Steps - 1; step > 0; step--)
        {
            float part = (float)step / Steps;
            WeightGrid clipped = WeightGrid.Asymmetric(lo * part, hi * part, largestCode, format);
            double error = SquaredError(clipped, values);
            if (error >= least)
            {
                break;
            }

            (best, least) = (clipped, error);
        }

        return (best, least);
    }

    private static double SquaredError(WeightGrid grid, ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
        {
            double e = grid.Decode(grid.Encode(value)) - value;
            sum += e * e;
        }

        return sum;
    }
}
