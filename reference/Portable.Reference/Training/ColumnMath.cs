using System.Numerics.Tensors;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>
/// Reductions over the rows of a matrix, one sum per column: threads take runs of columns, each column is summed in row order,
/// so the result depends on neither the thread count nor the vector width.
/// </summary>
internal static class ColumnMath
{
    private const int Run = 128;

    /// <summary>sums[k] = Σ_t a[t, k].</summary>
    public static void SumColumns(float[] a, float[] sums, int rows, int columns) => WorkerPool.Run((columns + Run - 1) / Run, part =>
    {
        int first = part * Run, length = Math.Min(Run, columns - first);
        Span<float> sum = sums.AsSpan(first, length);
        sum.Clear();
        for (int t = 0; t < rows; t++)
        {
            TensorPrimitives.Add(sum, a.AsSpan(t * columns + first, length), sum);
        }
    });

    /// <summary>sums[k] = Σ_t a[t, k]·b[t, k].</summary>
    public static void DotColumns(float[] a, float[] b, float[] sums, int rows, int columns) => WorkerPool.Run((columns + Run - 1) / Run, part =>
    {
        int first = part * Run, length = Math.Min(Run, columns - first);
        Span<float> sum = sums.AsSpan(first, length), product = stackalloc float[length];
        sum.Clear();
        for (int t = 0; t < rows; t++)
        {
            TensorPrimitives.Multiply(a.AsSpan(t * columns + first, length), b.AsSpan(t * columns + first, length), product);
            TensorPrimitives.Add(sum, product, sum);
        }
    });

    /// <summary>sums[k] = Σ_t a[t, k]·b[t, k]·weight[t].</summary>
    public static void DotColumns(float[] a, float[] b, float[] weight, float[] sums, int rows, int columns) => WorkerPool.Run((columns + Run - 1) / Run, part =>
    {
        int first = part * Run, length = Math.Min(Run, columns - first);
        Span<float> sum = sums.AsSpan(first, length), product = stackalloc float[length];
        sum.Clear();
        for (int t = 0; t < rows; t++)
        {
            TensorPrimitives.Multiply(a.AsSpan(t * columns + first, length), b.AsSpan(t * columns + first, length), product);
            TensorPrimitives.Multiply(product, weight[t], product);
            TensorPrimitives.Add(sum, product, sum);
        }
    });

    /// <summary>sums[k] = Σ_t a[t, k]·weight[t].</summary>
    public static void WeightedSumColumns(float[] a, float[] weight, float[] sums, int rows, int columns) => WorkerPool.Run((columns + Run - 1) / Run, part =>
    {
        int first = part * Run, length = Math.Min(Run, columns - first);
        Span<float> sum = sums.AsSpan(first, length), product = stackalloc float[length];
        sum.Clear();
        for (int t = 0; t < rows; t++)
        {
            TensorPrimitives.Multiply(a.AsSpan(t * columns + first, length), weight[t], product);
            TensorPrimitives.Add(sum, product, sum);
        }
    });
}
