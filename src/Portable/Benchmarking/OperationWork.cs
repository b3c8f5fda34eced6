using Portable.Execution;
using Portable.Models;
using Portable.Reference.Benchmarking;
using Portable.Reference.Blocks;

namespace Portable.Benchmarking;

/// <summary>What operations cannot do without, whoever computes them: the floor of their time by the rates of a machine.</summary>
/// <param name="Bytes">Weights, keys and values that are read once; what stays in the caches between operations is not counted.</param>
/// <param name="Integers">Multiply-adds of 8-bit digits.</param>
/// <param name="Floats">Multiply-adds of f32, rounded separately.</param>
internal readonly record struct OperationWork(double Bytes, double Integers, double Floats)
{
    /// <summary>Both together.</summary>
    public static OperationWork operator +(OperationWork a, OperationWork b) => new(a.Bytes + b.Bytes, a.Integers + b.Integers, a.Floats + b.Floats);

    /// <summary>Linear layers of some rows.</summary>
    public static OperationWork Linear(IReadOnlyList<LinearWeights> parts, int rows)
    {
        OperationWork work = default;
        foreach (LinearWeights part in parts)
        {
            work += part.Quantized is { } q
                ? new(q.Bytes, (double)rows * q.OutputFeatures * q.Weights.Columns * (q.Input.Format.Bits == 16 ? 2 : 1), 0)
                : new(part.Float!.Bytes, 0, (double)rows * part.Float.Rows * part.Float.Columns);
        }

        return work;
    }

    /// <summary>The head, for some rows.</summary>
    public static OperationWork Head(TableWeights table, int rows)
    {
        double products = (double)rows * table.Rows * table.Columns;
        return rows == 0 ? default : table.Quantized is { } q ? new(q.Bytes, products, 0) : new(table.Float!.Bytes, 0, products);
    }

    /// <summary>Attention of a batch, whose neighbouring rows of a sequence read keys and values together.</summary>
    /// <param name="layout">How the block attends.</param>
    /// <param name="bits">Bits of the cache: 16 are two digits on either side, fewer one of keys, queries and values and two of probabilities, 32 floats.</param>
    /// <param name="batch">The rows.</param>
    public static OperationWork Attention(AttentionLayout layout, int bits, Batch batch)
    {
        double read = 0, seen = 0;
        for (int row = 0; row < batch.Rows; row++)
        {
            int position = batch.Positions[row], first = layout.FirstSeen(position);
            bool last = row == batch.Rows - 1 || batch.Sequences[row + 1] != batch.Sequences[row];
            seen += position + 1 - first;
            read += last ? position + 1 - layout.FirstSeen(batch.Positions[Array.IndexOf(batch.Sequences, batch.Sequences[row])]) : 0;
        }

        // Of a position: components, and a scale of the key and one of the value, per head.
        double bytes = read * layout.KeyValueWidth * 2 * bits / 8 + (bits < 32 ? read * layout.KeyValueHeads * 2 * sizeof(float) : 0), products = seen * layout.QueryWidth;
        return bits == 32 ? new(bytes, 0, 2 * products) : new(bytes, products * (bits == 16 ? 8 : 3), 0);
    }

    /// <summary>The least milliseconds that a machine takes.</summary>
    public double Milliseconds(MachineRates rates) =>
        Math.Max(Bytes / rates.StreamBytes, Math.Max(Integers / rates.Int8MultiplyAdds, Floats / rates.SeparateMultiplyAdds)) * 1000;
}
