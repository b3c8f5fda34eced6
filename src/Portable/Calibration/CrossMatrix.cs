using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Calibration;

/// <summary>Σ x·yᵀ over calibration tokens, summed as <see cref="GramMatrix"/> is.</summary>
/// <param name="rows">Channels of x.</param>
/// <param name="columns">Channels of y.</param>
internal sealed class CrossMatrix(int rows, int columns)
{
    private readonly float[] _batch = new float[checked(rows * columns)];

    /// <summary>For x and y of equal width.</summary>
    /// <param name="size">K.</param>
    public CrossMatrix(int size)
        : this(size, size)
    {
    }

    /// <summary>Row-major, [x × y].</summary>
    public double[] Values { get; } = new double[rows * columns];

    /// <summary>Adds xᵀ·y of a batch.</summary>
    /// <param name="x">Tokens × rows of the matrix.</param>
    /// <param name="y">Tokens × its columns.</param>
    /// <param name="tokens">Tokens.</param>
    public void Add(ReadOnlySpan<float> x, ReadOnlySpan<float> y, int tokens)
    {
        FloatGemm.MultiplyTN(x, y, _batch, rows, columns, tokens);
        WorkerPool.Run(rows, i => BatchSums.Add(_batch, Values, i * columns, columns));
    }
}
