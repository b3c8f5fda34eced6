using System.Buffers;
using Portable.Reference.Arithmetic;

namespace Portable.Calibration;

/// <summary>
/// Σ x·yᵀ over calibration tokens (GPTQ's Hessian where x = y): batches are summed in single precision in the fixed order of
/// <see cref="FloatGemm"/>, and the batches in double.
/// </summary>
/// <param name="size">K.</param>
public sealed class GramMatrix(int size)
{
    private readonly float[] _batch = new float[checked(size * size)];

    /// <summary>K.</summary>
    public int Size => size;

    /// <summary>K×K, row-major.</summary>
    public double[] Values { get; } = new double[size * size];

    /// <summary>Adds a batch with itself.</summary>
    /// <param name="x">Rows × K.</param>
    /// <param name="rows">Tokens.</param>
    public void Add(ReadOnlySpan<float> x, int rows) => Add(x, x, rows);

    /// <summary>Adds xᵀ·y of a batch.</summary>
    /// <param name="x">Rows × K: the rows of the matrix.</param>
    /// <param name="y">Rows × K: its columns.</param>
    /// <param name="rows">Tokens.</param>
    public void Add(ReadOnlySpan<float> x, ReadOnlySpan<float> y, int rows)
    {
        FloatGemm.MultiplyTN(x, y, _batch, size, size, rows);
        for (int i = 0; i < _batch.Length; i++)
        {
            Values[i] += _batch[i];
        }
    }
}
