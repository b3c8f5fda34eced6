using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;

namespace Portable.Reference.Operations;

/// <summary>
/// Quantizes f32 activations to the codes that a matmul reads: symmetric and asymmetric per token or per token and group, or
/// with a static scale and an optional column map (FlattenQuant). Rows are independent.
/// </summary>
public static class ActivationQuantization
{
    /// <summary>Quantizes rows.</summary>
    /// <param name="x">rows × columns, canonical.</param>
    /// <param name="rows">M, at most the capacity of <paramref name="output"/>.</param>
    /// <param name="columns">K of the source.</param>
    /// <param name="quantizer">The quantizer.</param>
    /// <param name="output">Receives codes, sums, scales, zero points and <see cref="QuantizedActivations.Rows"/>; its layout has K' columns.</param>
    /// <exception cref="ArgumentException">Shapes, formats or groups do not fit, or the quantizer has no positive level.</exception>
    public static unsafe void Quantize(ReadOnlySpan<float> x, int rows, int columns, ActivationQuantizer quantizer, QuantizedActivations output)
    {
        ArgumentNullException.ThrowIfNull(quantizer);
        ArgumentNullException.ThrowIfNull(output);
        Check(x.Length, rows, columns, quantizer, output);
        output.Rows = rows;
        fixed (float* values = x)
        {
            float* source = values;
            RowRanges.Run(rows, output.Layout.Columns, (first, count) => Rows(new ReadOnlySpan<float>(source + (long)first * columns, count * columns), first, count, columns, quantizer, output));
        }
    }

    /// <summary>How many values a static quantizer clips: those whose magnitude is beyond the last digit of their channel.</summary>
    /// <param name="x">rows × columns.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">K of the source.</param>
    /// <param name="quantizer">A quantizer with <see cref="ActivationMode.Static"/>.</param>
    public static long CountClipped(ReadOnlySpan<float> x, int rows, int columns, ActivationQuantizer quantizer)
    {
        ArgumentNullException.ThrowIfNull(quantizer);
        if (quantizer.Mode != ActivationMode.Static)
        {
            throw new ArgumentException("Only a static quantizer clips.", nameof(quantizer));
        }

        int[] reach = new int[columns];
        if (quantizer.Map is { } map)
        {
            for (int j = 0; j < map.Source.Length; j++)
            {
                reach[map.Source[j]] = Math.Max(reach[map.Source[j]], map.Offset[j] + map.Limit[j]);
            }
        }
        else
        {
            Array.Fill(reach, quantizer.Format.Maximum);
        }

        int[] wide = new int[columns];
        long clipped = 0;
        for (int row = 0; row < rows; row++)
        {
            ActivationRounding.HalfAway(x.Slice(row * columns, columns), 1f / quantizer.StaticScale, wide);
            for (int i = 0; i < columns; i++)
            {
                clipped += Math.Abs(wide[i]) > reach[i] ? 1 : 0;
            }
        }

        return clipped;
    }

    private static void Rows(ReadOnlySpan<float> x, int first, int count, int columns, ActivationQuantizer quantizer, QuantizedActivations output)
    {
        int outputColumns = output.Layout.Columns;
        int[] codes = ArrayPool<int>.Shared.Rent(outputColumns);
        // Whole vectors are read from any column on.
        int[] wide = quantizer.Mode == ActivationMode.Static ? ArrayPool<int>.Shared.Rent(columns + Vector256<int>.Count) : [];
        for (int row = first; row < first + count; row++)
        {
            ReadOnlySpan<float> source = x.Slice((row - first) * columns, columns);
            if (quantizer.Mode == ActivationMode.Static)
            {
                StaticRow(source, quantizer, wide, codes.AsSpan(0, outputColumns));
                int scales = output.ScaleGroups.Count;
                output.Scales.AsSpan(row * scales, scales).Fill(quantizer.StaticScale);
                output.ZeroPoints.AsSpan(row * scales, scales).Clear();
            }
            else
            {
                DynamicRow(source, quantizer, output, row, codes);
            }

            CodeStorage.StoreRow(codes, output, row);
        }

        ArrayPool<int>.Shared.Return(codes);
        if (wide.Length > 0)
        {
            ArrayPool<int>.Shared.Return(wide);
        }
    }

    private static void DynamicRow(ReadOnlySpan<float> source, ActivationQuantizer quantizer, QuantizedActivations output, int row, int[] codes)
    {
        GroupLayout layout = output.Layout;
        int parts = output.ScaleGroups.Count, size = output.ScaleGroups.Span * layout.GroupSize;
        for (int part = 0; part < parts; part++)
        {
            int first = part * size, count = Math.Min(size, layout.Columns - first);
            (output.Scales[row * parts + part], output.ZeroPoints[row * parts + part]) = quantizer.Mode == ActivationMode.Symmetric
                ? ActivationRounding.Symmetric(source.Slice(first, count), quantizer.Format, codes.AsSpan(first, count))
                : ActivationRounding.Asymmetric(source.Slice(first, count), quantizer.Format.Bits, codes.AsSpan(first, count));
        }
    }

    private static void StaticRow(ReadOnlySpan<float> source, ActivationQuantizer quantizer, int[] wide, Span<int> codes)
    {
        ActivationRounding.HalfAway(source, 1f / quantizer.StaticScale, wide);
        if (quantizer.Map is not { } map)
        {
            int limit = quantizer.Format.Maximum;
            for (int j = 0; j < codes.Length; j++)
            {
                codes[j] = Math.Clamp(wide[j], -limit, limit);
            }

            return;
        }

        Split(wide, map, codes);
    }

    /// <summary>The digits of wide codes: sign(v)·clamp(|v| − offset, 0, limit) of each column's source.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Split(int[] wide, ColumnMap map, Span<int> codes)
    {
        ReadOnlySpan<int> sources = map.Source.AsSpan(0, codes.Length), offsets = map.Offset.AsSpan(0, codes.Length), limits = map.Limit.AsSpan(0, codes.Length);
        Span<int> gathered = stackalloc int[8];
        int j = 0;
        for (; j <= codes.Length - 8; j += 8)
        {
            // Neighbouring columns read neighbouring channels, a flattened one several times: one vector holds them all.
            int first = sources[j];
            Vector256<int> lanes = Vector256.Create(sources.Slice(j, 8)) - Vector256.Create(first), value;
            if (Vector256.LessThanAll(lanes.AsUInt32(), Vector256.Create(8u)))
            {
                value = Vector256.ShuffleNative(Vector256.Create(wide.AsSpan(first, 8)), lanes);
            }
            else
            {
                for (int i = 0; i < 8; i++)
                {
                    gathered[i] = wide[sources[j + i]];
                }

                value = Vector256.Create(gathered);
            }

            Vector256<int> sign = value >> 31;
            Vector256<int> digit = Vector256.Min(Vector256.Max((value ^ sign) - sign - Vector256.Create(offsets.Slice(j, 8)), Vector256<int>.Zero), Vector256.Create(limits.Slice(j, 8)));
            ((digit ^ sign) - sign).CopyTo(codes[j..]);
        }

        for (; j < codes.Length; j++)
        {
            int value = wide[sources[j]], sign = value >> 31;
            int digit = Math.Min(Math.Max((value ^ sign) - sign - offsets[j], 0), limits[j]);
            codes[j] = (digit ^ sign) - sign;
        }
    }

    private static void Check(int length, int rows, int columns, ActivationQuantizer quantizer, QuantizedActivations output)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rows, output.Capacity);
        GroupLayout layout = output.Layout;
        int expected = quantizer.Map?.Source.Length ?? columns;
        if (length < (long)rows * columns || layout.Columns != expected)
        {
            throw new ArgumentException($"{length} values, {columns} source columns and {layout.Columns} code columns do not fit {rows} rows.", nameof(output));
        }

        if (output.Format != quantizer.Format || quantizer.Format.Signed == (quantizer.Mode == ActivationMode.Asymmetric))
        {
            throw new ArgumentException($"A {quantizer.Mode} quantizer of {quantizer.Format} codes cannot write {output.Format} codes.", nameof(output));
        }

        if (quantizer.Format is { Signed: true, Bits: 1 })
        {
            throw new ArgumentException("Signed 1-bit activations have no positive level.", nameof(quantizer));
        }

        if (output.ScaleGroups != layout.Scales(quantizer.GroupSize))
        {
            throw new ArgumentException($"The quantizer's groups of {quantizer.GroupSize} are not those of the codes ({output.ScaleGroups.Span * layout.GroupSize}).", nameof(output));
        }

        if (quantizer.Map is not null && quantizer.Mode != ActivationMode.Static)
        {
            throw new ArgumentException("Only a static quantizer has a column map.", nameof(quantizer));
        }
    }
}
