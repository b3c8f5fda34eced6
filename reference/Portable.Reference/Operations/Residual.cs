using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>The residual stream.</summary>
internal static class Residual
{
    /// <summary>x = canonical(x + y), rows of both, on all threads.</summary>
    /// <param name="x">rows × columns.</param>
    /// <param name="y">As many.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    public static unsafe void AddRows(Span<float> x, ReadOnlySpan<float> y, int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(x.Length, rows * columns);
        ArgumentOutOfRangeException.ThrowIfLessThan(y.Length, rows * columns);
        fixed (float* stream = x, values = y)
        {
            float* to = stream, from = values;
            RowRanges.Run(rows, columns, (first, count) =>
            {
                Span<float> part = new(to + (long)first * columns, count * columns);
                Add(part, new ReadOnlySpan<float>(from + (long)first * columns, count * columns), part);
            });
        }
    }

    /// <summary>output = canonical(x + y), elementwise.</summary>
    /// <param name="x">Values.</param>
    /// <param name="y">As many.</param>
    /// <param name="output">At least as long; may be x or y.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(ReadOnlySpan<float> x, ReadOnlySpan<float> y, Span<float> output)
    {
        y = y[..x.Length];
        output = output[..x.Length];
        int i = 0;
        for (; i <= x.Length - 8; i += 8)
        {
            VectorContract.Canonical(Vector256.Create(x.Slice(i, 8)) + Vector256.Create(y.Slice(i, 8))).CopyTo(output[i..]);
        }

        for (; i < x.Length; i++)
        {
            output[i] = Contract.Canonical(x[i] + y[i]);
        }
    }
}
