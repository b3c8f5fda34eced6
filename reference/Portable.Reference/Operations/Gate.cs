using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>The gated activation of LLaMA's MLP (Shazeer, GLU variants: SwiGLU).</summary>
internal static class Gate
{
    /// <summary>output = canonical((gate · 1/(1 + e^−gate)) · up), elementwise.</summary>
    /// <param name="gate">Values.</param>
    /// <param name="up">As many.</param>
    /// <param name="output">At least as long; may be gate or up.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Silu(ReadOnlySpan<float> gate, ReadOnlySpan<float> up, Span<float> output)
    {
        up = up[..gate.Length];
        output = output[..gate.Length];
        int i = 0;
        for (; i <= gate.Length - 8; i += 8)
        {
            Vector256<float> g = Vector256.Create(gate.Slice(i, 8));
            VectorContract.Canonical(g * VectorContract.Sigmoid(g) * Vector256.Create(up.Slice(i, 8))).CopyTo(output[i..]);
        }

        for (; i < gate.Length; i++)
        {
            float sigmoid = Contract.Reciprocal(1f + Contract.Exp(-gate[i]));
            output[i] = Contract.Canonical(gate[i] * sigmoid * up[i]);
        }
    }

    /// <summary>Rows whose first half is the gate and whose second half is up: output[r] = SiLU(gate[r])·up[r].</summary>
    /// <param name="gateUp">rows × 2·columns.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns of the output.</param>
    /// <param name="output">rows × columns.</param>
    public static unsafe void SiluRows(ReadOnlySpan<float> gateUp, int rows, int columns, Span<float> output)
    {
        if (gateUp.Length < 2L * rows * columns || output.Length < (long)rows * columns)
        {
            throw new ArgumentException($"{rows} rows of {columns} do not fit the operands.");
        }

        fixed (float* source = gateUp, target = output)
        {
            float* from = source, to = target;
            RowRanges.Run(rows, columns, (first, count) =>
            {
                for (int row = first; row < first + count; row++)
                {
                    float* gate = from + 2L * row * columns;
                    Silu(new ReadOnlySpan<float>(gate, columns), new ReadOnlySpan<float>(gate + columns, columns), new Span<float>(to + (long)row * columns, columns));
                }
            });
        }
    }
}
