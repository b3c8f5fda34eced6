using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>The right operand of a product, K×N: f32 row-major, or the transpose of N×K weights of any element type.</summary>
/// <param name="data">First element.</param>
/// <param name="type">Element type; <see cref="ElementType.Float32"/> where not transposed.</param>
/// <param name="transposed">Whether the memory is N×K.</param>
/// <param name="n">N.</param>
/// <param name="k">K.</param>
internal readonly unsafe struct FloatOperand(byte* data, ElementType type, bool transposed, int n, int k)
{
    private const int ConversionSlot = 1;

    /// <summary>Writes rows k0 … k0 + steps − 1 of <paramref name="columns"/> columns from j0 as a panel; missing columns become 0.</summary>
    /// <param name="j0">First column.</param>
    /// <param name="columns">Valid columns.</param>
    /// <param name="width">Columns of the panel.</param>
    /// <param name="k0">First step.</param>
    /// <param name="steps">Steps.</param>
    /// <param name="panel">steps × width.</param>
    public void Pack(int j0, int columns, int width, int k0, int steps, float* panel)
    {
        if (columns < width)
        {
            new Span<float>(panel, steps * width).Clear();
        }

        if (!transposed)
        {
            Copy(columns, width, (float*)data + (long)k0 * n + j0, steps, panel);
        }
        else if (type == ElementType.Float32)
        {
            Transposition.Run((float*)data + (long)j0 * k + k0, k, columns, steps, panel, width);
        }
        else
        {
            float* converted = Scratch.Get<float>(ConversionSlot, (long)columns * steps);
            for (int j = 0; j < columns; j++)
            {
                ReadOnlySpan<ushort> row = new((ushort*)data + (long)(j0 + j) * k + k0, steps);
                Span<float> target = new(converted + j * steps, steps);
                if (type == ElementType.Float16)
                {
                    HalfConversion.ToSingle(row, target);
                }
                else
                {
                    HalfConversion.BFloat16ToSingle(row, target);
                }
            }

            Transposition.Run(converted, steps, columns, steps, panel, width);
        }
    }

    /// <summary>Rows of <paramref name="columns"/> elements, by whole vectors where they allow it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Copy(int columns, int width, float* source, int steps, float* panel)
    {
        int whole = columns / 8 * 8;
        for (int i = 0; i < steps; i++, source += n, panel += width)
        {
            int j = 0;
            for (; j < whole; j += 8)
            {
                Vector256.Load(source + j).Store(panel + j);
            }

            for (; j < columns; j++)
            {
                panel[j] = source[j];
            }
        }
    }
}
