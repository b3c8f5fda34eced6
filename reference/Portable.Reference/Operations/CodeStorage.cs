using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.BitPlanes;

namespace Portable.Reference.Operations;

/// <summary>Writes a row of codes as bytes in the padded group layout, with the sums of each group.</summary>
internal static class CodeStorage
{
    /// <summary>Stores K' codes of one row.</summary>
    public static void StoreRow(ReadOnlySpan<int> codes, QuantizedActivations output, int row)
    {
        GroupLayout layout = output.Layout;
        int padded = layout.PaddedColumns;
        Span<byte> low = output.Codes.AsSpan(row * padded, padded);
        Span<byte> high = output.HighDigits is null ? default : output.HighDigits.AsSpan(row * padded, padded);
        for (int group = 0; group < layout.Groups; group++)
        {
            int first = layout.FirstBlock(group) * GroupLayout.BlockSize, end = layout.EndBlock(group) * GroupLayout.BlockSize;
            ReadOnlySpan<int> source = codes.Slice(layout.FirstColumn(group), layout.ColumnsIn(group));
            int index = row * layout.Groups + group;
            if (high.IsEmpty)
            {
                output.RowSums[index] = Store(source, 0, -1, low[first..end]);
            }
            else
            {
                output.RowSums[index] = Store(source, 0, 0xFF, low[first..end]);
                output.HighRowSums![index] = Store(source, 8, -1, high[first..end]);
            }
        }
    }

    /// <summary>Stores the low byte of (code &gt;&gt; shift) &amp; mask, pads with 0, and returns the sum of the masked values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int Store(ReadOnlySpan<int> codes, int shift, int mask, Span<byte> bytes)
    {
        Vector256<int> sums = Vector256<int>.Zero, masks = Vector256.Create(mask);
        int i = 0;
        for (; i <= codes.Length - 32; i += 32)
        {
            Vector256<int> a = (Vector256.Create(codes.Slice(i, 8)) >> shift) & masks, b = (Vector256.Create(codes.Slice(i + 8, 8)) >> shift) & masks;
            Vector256<int> c = (Vector256.Create(codes.Slice(i + 16, 8)) >> shift) & masks, d = (Vector256.Create(codes.Slice(i + 24, 8)) >> shift) & masks;
            sums += a + b + (c + d);
            Vector256.Narrow(Vector256.Narrow(a, b), Vector256.Narrow(c, d)).AsByte().CopyTo(bytes[i..]);
        }

        int sum = Vector256.Sum(sums);
        for (; i < codes.Length; i++)
        {
            int value = (codes[i] >> shift) & mask;
            bytes[i] = unchecked((byte)value);
            sum += value;
        }

        bytes[codes.Length..].Clear();
        return sum;
    }
}
