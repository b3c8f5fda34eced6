using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Calibration;

/// <summary>
/// Σ x·xᵀ over calibration tokens (GPTQ's Hessian): batches are summed in single precision in the fixed order of
/// <see cref="FloatGemm"/>, and the batches in double. Only the upper triangle is summed; products commute, so the lower one
/// has the same bits.
/// </summary>
/// <param name="size">K.</param>
internal sealed class GramMatrix(int size)
{
    private readonly float[] _batch = new float[checked(size * size)];
    private readonly double[] _sums = new double[size * size];
    private bool _mirrored = true;

    /// <summary>K×K, row-major.</summary>
    public double[] Values
    {
        get
        {
            if (!_mirrored)
            {
                Mirror();
                _mirrored = true;
            }

            return _sums;
        }
    }

    /// <summary>Adds a batch.</summary>
    /// <param name="x">Rows × K.</param>
    /// <param name="rows">Tokens.</param>
    public void Add(ReadOnlySpan<float> x, int rows)
    {
        FloatGemm.UpperGram(x, _batch, size, rows);
        WorkerPool.Run(size, i => BatchSums.Add(_batch, _sums, i * size + i, size - i));
        _mirrored = false;
    }

    // By squares: down a column, every element lies in a page of its own.
    private void Mirror()
    {
        const int Square = 32;
        WorkerPool.Run((size + Square - 1) / Square, band =>
        {
            int first = band * Square, end = Math.Min(first + Square, size);
            for (int left = 0; left <= first; left += Square)
            {
                for (int i = first; i < end; i++)
                {
                    for (int j = left; j < Math.Min(left + Square, i); j++)
                    {
                        _sums[i * size + j] = _sums[j * size + i];
                    }
                }
            }
        });
    }
}
