using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary><see cref="IColumnErrors"/> on the CPU.</summary>
internal sealed class ColumnErrors : IColumnErrors
{
    // A cache line of a row: a column alone would fetch one for each of its values.
    private const int Strip = 16;

    /// <inheritdoc/>
    public ErrorTable[] Tabulate(ColumnsToTabulate matrix, double[] energies, CancellationToken cancellation)
    {
        int columns = matrix.Columns, rows = matrix.Rows, size = ErrorTable.StepCount * matrix.MaximumParts;
        var tables = new ErrorTable[columns];
        double[] errors = new double[checked(columns * size)];
        WorkerPool.Run((columns + Strip - 1) / Strip, strip =>
        {
            int first = strip * Strip, count = Math.Min(Strip, columns - first);
            float[] values = new float[count * rows];
            for (int n = 0; n < rows; n++)
            {
                ReadOnlySpan<float> row = matrix.Weights.AsSpan((n * columns) + first, count);
                for (int j = 0; j < count; j++)
                {
                    values[(j * rows) + n] = row[j];
                }
            }

            double[] magnitudes = new double[rows], weights = new double[rows];
            for (int j = 0; j < count; j++)
            {
                cancellation.ThrowIfCancellationRequested();
                double largest = 0, energy = 0, total = energies[first + j], input = matrix.InputEnergies[first + j];
                for (int n = 0; n < rows; n++)
                {
                    double magnitude = Math.Abs((double)values[(j * rows) + n]), weight = matrix.RowWeights[n] * input * matrix.Share;
                    largest = Math.Max(largest, magnitude);
                    energy += weight * magnitude * magnitude;
                    total += matrix.RowWeights[n] * magnitude * magnitude;
                    (magnitudes[n], weights[n]) = (magnitude, weight);
                }

                ErrorTable table = new(largest, energy, matrix.Q, matrix.MaximumParts, errors, (first + j) * size);
                table.Fill(magnitudes, weights, matrix.Q);
                (tables[first + j], energies[first + j]) = (table, total);
            }
        });
        return tables;
    }
}
