using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Reference.Operations;

/// <summary>The language-model head: every logit is an ordered dot product of the contract, whatever the number of rows.</summary>
internal static class Head
{
    private const int PanelRows = 64;

    /// <summary>logits[r, v] = canonical(ordered dot of hidden row r and table row v).</summary>
    /// <param name="hidden">rows × columns.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns K.</param>
    /// <param name="table">Little-endian finite elements, vocabulary × columns.</param>
    /// <param name="type">Element type.</param>
    /// <param name="vocabulary">Rows of the table.</param>
    /// <param name="logits">rows × vocabulary, rows <paramref name="stride"/> apart.</param>
    /// <param name="stride">From a row of logits to the next, where the table is a part of the vocabulary; null = vocabulary.</param>
    /// <exception cref="ArgumentException">Shapes do not fit.</exception>
    public static unsafe void Logits(ReadOnlySpan<float> hidden, int rows, int columns, ReadOnlySpan<byte> table, ElementType type, int vocabulary, Span<float> logits, int? stride = null)
    {
        int logitStride = stride ?? vocabulary;
        if (hidden.Length < (long)rows * columns || logitStride < vocabulary || (rows > 0 && logits.Length < ((rows - 1L) * logitStride) + vocabulary) || table.Length < (long)vocabulary * columns * ElementConversion.SizeOf(type))
        {
            throw new ArgumentException($"{rows} rows of {columns} and a vocabulary of {vocabulary} do not fit the hidden state, the table or the logits.");
        }

        if (rows == 0 || vocabulary == 0)
        {
            return;
        }

        int blocks = OrderedPanel.Blocks(columns), panels = (vocabulary + PanelRows - 1) / PanelRows;
        int packedStride = blocks * OrderedPanel.BlockSize;
        const int HiddenSlot = 0, TableSlot = 1;
        fixed (float* h = hidden, l = logits)
        fixed (byte* t = table)
        {
            float* target = l, packed = Scratch.Get<float>(HiddenSlot, (long)rows * packedStride);
            byte* elements = t;
            for (int row = 0; row < rows; row++)
            {
                OrderedPanel.Pack(new ReadOnlySpan<float>(h + (long)row * columns, columns), packed + (long)row * packedStride);
            }

            WorkerPool.Run(panels, panel =>
            {
                int first = panel * PanelRows, count = Math.Min(PanelRows, vocabulary - first), bytes = columns * ElementConversion.SizeOf(type);
                byte* panelTable = elements + (long)first * bytes;
                if (rows == 1 && type == ElementType.Float16)
                {
                    OrderedPanel.MultiplyOne<HalfWords>(packed, (ushort*)panelTable, columns, count, target + first);
                    return;
                }

                if (rows == 1 && type == ElementType.BFloat16)
                {
                    OrderedPanel.MultiplyOne<BrainWords>(packed, (ushort*)panelTable, columns, count, target + first);
                    return;
                }

                float* converted = Scratch.Get<float>(TableSlot, (long)PanelRows * packedStride);
                for (int v = 0; v < count; v++)
                {
                    Pack(panelTable + (long)v * bytes, type, columns, converted + (long)v * packedStride);
                }

                if (Vector512.IsHardwareAccelerated)
                {
                    OrderedPanel.Multiply<Simd512, Vector512<float>>(packed, rows, converted, count, blocks, target + first, logitStride);
                }
                else
                {
                    OrderedPanel.Multiply<Simd256, Vector256<float>>(packed, rows, converted, count, blocks, target + first, logitStride);
                }
            });
        }
    }

    private static unsafe void Pack(byte* row, ElementType type, int columns, float* packed)
    {
        switch (type)
        {
            case ElementType.Float16:
                OrderedPanel.Pack<HalfWords>((ushort*)row, columns, packed);
                break;
            case ElementType.BFloat16:
                OrderedPanel.Pack<BrainWords>((ushort*)row, columns, packed);
                break;
            default:
                const int RowSlot = 2;
                Span<float> values = new(Scratch.Get<float>(RowSlot, columns), columns);
                VectorContract.Canonical(new ReadOnlySpan<float>(row, columns), values);
                OrderedPanel.Pack(values, packed);
                break;
        }
    }
}
