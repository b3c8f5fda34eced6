using Portable.Reference.Arithmetic;
using Portable.Reference.Threading;

namespace Portable.Reference.Operations;

/// <summary>The language-model head.</summary>
public static class Head
{
    /// <summary>logits[r, v] = canonical(ordered dot of hidden row r and table row v).</summary>
    /// <param name="hidden">rows × columns.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns K.</param>
    /// <param name="table">Little-endian elements, vocabulary × columns.</param>
    /// <param name="type">Element type.</param>
    /// <param name="vocabulary">Rows of the table.</param>
    /// <param name="logits">rows × vocabulary.</param>
    public static unsafe void Logits(ReadOnlySpan<float> hidden, int rows, int columns, ReadOnlySpan<byte> table, ElementType type, int vocabulary, Span<float> logits)
    {
        if (hidden.Length < (long)rows * columns || logits.Length < (long)rows * vocabulary || table.Length < (long)vocabulary * columns * ElementConversion.SizeOf(type))
        {
            throw new ArgumentException($"{rows} rows of {columns} and a vocabulary of {vocabulary} do not fit the hidden state, the table or the logits.");
        }

        int stride = columns * ElementConversion.SizeOf(type), tasks = Math.Min(vocabulary, 64);
        fixed (float* h = hidden, l = logits)
        fixed (byte* t = table)
        {
            float* source = h, target = l;
            byte* elements = t;
            WorkerPool.Run(tasks, task =>
            {
                float[] row = new float[columns];
                int end = (int)((long)vocabulary * (task + 1) / tasks);
                for (int v = (int)((long)vocabulary * task / tasks); v < end; v++)
                {
                    ElementConversion.ToSingle(new ReadOnlySpan<byte>(elements + (long)v * stride, stride), type, row);
                    for (int r = 0; r < rows; r++)
                    {
                        target[(long)r * vocabulary + v] = Contract.Canonical(Ordered.Dot(new ReadOnlySpan<float>(source + (long)r * columns, columns), row));
                    }
                }
            });
        }
    }
}
