using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Calibration;

/// <summary>Σ x·yᵀ over calibration tokens, summed as <see cref="GramMatrix"/> is.</summary>
/// <param name="size">K.</param>
internal sealed class CrossMatrix(int size)
{
    private readonly float[] _batch = new float[checked(size * size)];

    /// <summary>K×K, row-major, [x × y].</summary>
    public double[] Values { get; } = new double[size * size];

    /// <summary>Adds xᵀ·y of a batch.</summary>
    /// <param name="x">Rows × K: the rows of the matrix.</param>
    /// <param name="y">Rows × K: its columns.</param>
    /// <param name="rows">Tokens.</param>
    public void Add(ReadOnlySpan<float> x, ReadOnlySpan<float> y, int rows)
    {
        FloatGemm.MultiplyTN(x, y, _batch, size, size, rows);
        WorkerPool.Run(size, i => BatchSums.Add(_batch, Values, i * size, size));
    }
}
