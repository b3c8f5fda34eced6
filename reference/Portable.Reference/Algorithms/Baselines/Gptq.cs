using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.Baselines;

/// <summary>
/// GPTQ (Frantar et al., ICLR 2023): columns are quantized one after the other, and what rounding a column did to the output
/// is compensated in the columns still to come, w_j ← w_j − (w_i − q_i)/U_ii · U_ij, with U the upper Cholesky factor of H⁻¹
/// and H = X·Xᵀ + λI over the calibration inputs.
/// </summary>
/// <remarks>
/// Act-order: columns in descending diag(H). Grids are fixed beforehand from the uncompensated weights ("static groups"), so
/// that the order does not disturb the groups. Columns that no calibration token ever used are rounded to nearest.
/// </remarks>
internal static class Gptq
{
    /// <summary>Rows that share each row of the factor, which comes from far away.</summary>
    public const int RowTile = 32;

    /// <summary>Columns whose errors reach the columns before them together.</summary>
    public const int Panel = 64;

    /// <summary>Quantizes a matrix.</summary>
    /// <param name="weights">N×K, row-major; not changed.</param>
    /// <param name="rows">N.</param>
    /// <param name="columns">K.</param>
    /// <param name="hessian">Σ x·xᵀ over calibration tokens, K×K; not changed. Its scale does not matter.</param>
    /// <param name="grid">Grid of the weight at (row, column).</param>
    /// <param name="codes">Receives N×K codes.</param>
    /// <param name="options">Order, damping and rounding.</param>
    /// <exception cref="ArithmeticException">The damped Hessian is not positive definite (damping too small).</exception>
    public static void Quantize(ReadOnlySpan<float> weights, int rows, int columns, double[] hessian, Func<int, int, WeightGrid> grid, short[] codes, GptqOptions? options = null)
    {
        options ??= new GptqOptions();
        int[] order = Order(hessian, columns, options.ActivationOrder);
        InverseFactor factor = Factor(hessian, columns, order, options.Damping);
        Quantize(weights, rows, columns, factor, order, grid, codes, options.Rounding);
    }

    /// <summary>Quantizes a matrix with a factor that several matrices (q, k, v) share.</summary>
    /// <param name="weights">N×K, row-major.</param>
    /// <param name="rows">N.</param>
    /// <param name="columns">K.</param>
    /// <param name="factor">From <see cref="Factor"/>.</param>
    /// <param name="order">From <see cref="Order(double[], int, bool)"/>: the column at each position; the last position is quantized first.</param>
    /// <param name="grid">Grid of the weight at (row, column).</param>
    /// <param name="codes">Receives N×K codes.</param>
    /// <param name="rounding">Treatment of ties.</param>
    public static void Quantize(ReadOnlySpan<float> weights, int rows, int columns, InverseFactor factor, int[] order, Func<int, int, WeightGrid> grid, short[] codes, Rounding rounding = Rounding.HalfEven)
    {
        float[] source = weights.ToArray();
        WorkerPool.Run((rows + RowTile - 1) / RowTile, tile =>
        {
            int first = tile * RowTile, count = Math.Min(RowTile, rows - first);
            double[] w = new double[count * columns];
            for (int r = 0; r < count; r++)
            {
                for (int p = 0; p < columns; p++)
                {
                    w[r * columns + p] = source[(first + r) * columns + order[p]];
                }
            }

            for (int end = columns, start; end > 0; end = start)
            {
                start = Math.Max(0, end - Panel);
                Compensate(w, count, factor, start, end, (r, p) => grid(first + r, order[p]), rounding, (r, p, code) => codes[(first + r) * columns + order[p]] = code);
            }
        });
    }

    /// <summary>Quantizes a panel of the columns of some rows, the last first, and compensates what that does in the columns before.</summary>
    /// <param name="w">The rows, in the order of the factor.</param>
    /// <param name="rows">How many, up to <see cref="RowTile"/>.</param>
    /// <param name="factor">The factor.</param>
    /// <param name="start">First column of the panel.</param>
    /// <param name="end">The column behind it, at most <see cref="Panel"/> further.</param>
    /// <param name="grid">Grid of the weight at (row, position).</param>
    /// <param name="rounding">Treatment of ties.</param>
    /// <param name="take">Takes the code at (row, position).</param>
    internal static unsafe void Compensate(double[] w, int rows, InverseFactor factor, int start, int end, Func<int, int, WeightGrid> grid, Rounding rounding, Action<int, int, short> take)
    {
        int columns = w.Length / rows;
        double* errors = stackalloc double[RowTile * Panel];
        for (int p = end - 1; p >= start; p--)
        {
            for (int r = 0; r < rows; r++)
            {
                double error = Compensate(w.AsSpan(r * columns + start, p + 1 - start), factor.Rows.AsSpan(p * columns + start, p + 1 - start), grid(r, p), rounding, out short code);
                errors[r * Panel + end - 1 - p] = -error;
                take(r, p, code);
            }
        }

        fixed (double* all = w, above = factor.Rows)
        {
            Span<nint> a = stackalloc nint[rows], c = stackalloc nint[rows];
            for (int r = 0; r < rows; r++)
            {
                (a[r], c[r]) = ((nint)(errors + r * Panel), (nint)(all + r * columns));
            }

            OrderedProduct.Add(a, above + (long)(end - 1) * columns, -columns, end - start, c, start);
        }
    }

    /// <summary>Quantizes the last of a row's weights and compensates what that does in those before it.</summary>
    /// <param name="w">The weights, in the order of the factor.</param>
    /// <param name="factor">As many elements of the factor's row of the last one, the diagonal last.</param>
    /// <param name="grid">Grid of the last one.</param>
    /// <param name="rounding">Treatment of ties.</param>
    /// <param name="code">Its code.</param>
    /// <returns>Its error over the diagonal, which times the factor's row is what the others were reduced by.</returns>
    public static double Compensate(Span<double> w, ReadOnlySpan<double> factor, WeightGrid grid, Rounding rounding, out short code)
    {
        int chosen = grid.Encode(w[^1], rounding);
        code = (short)chosen;
        double error = (w[^1] - grid.Decode(chosen)) / factor[^1];
        Subtract(w[..^1], error, factor[..^1]);
        return error;
    }

    /// <summary>The column at each position, quantized from the last position to the first.</summary>
    /// <param name="hessian">K×K.</param>
    /// <param name="columns">K.</param>
    /// <param name="activationOrder">Descending diag(H) when true, else ascending column.</param>
    public static int[] Order(double[] hessian, int columns, bool activationOrder) =>
        Order(Diagonal(hessian, columns), activationOrder);

    /// <summary>The column at each position, quantized from the last position to the first.</summary>
    /// <param name="diagonal">diag(H), K values.</param>
    /// <param name="activationOrder">Descending diag(H) when true, else ascending column.</param>
    public static int[] Order(double[] diagonal, bool activationOrder)
    {
        int[] order = [.. Enumerable.Range(0, diagonal.Length)];
        return activationOrder
            ? [.. order.OrderBy(k => diagonal[k]).ThenByDescending(k => k)]
            : [.. Enumerable.Reverse(order)];
    }

    /// <summary>Damps the Hessian, permutes it and factorises it.</summary>
    /// <param name="hessian">K×K; not changed.</param>
    /// <param name="columns">K.</param>
    /// <param name="order">Column of each position.</param>
    /// <param name="damping">Part of mean diag(H) that is added to the diagonal.</param>
    public static InverseFactor Factor(double[] hessian, int columns, int[] order, double damping)
    {
        double mean = 0;
        for (int k = 0; k < columns; k++)
        {
            mean += hessian[k * columns + k];
        }

        mean /= columns;
        // The factor neither reads nor leaves what is above the diagonal.
        double[] permuted = GC.AllocateUninitializedArray<double>(columns * columns);
        void Permute(int i)
        {
            ReadOnlySpan<double> source = hessian.AsSpan(order[i] * columns, columns);
            Span<double> row = permuted.AsSpan(i * columns, i + 1);
            for (int j = 0; j <= i; j++)
            {
                row[j] = source[order[j]];
            }

            // Inputs that were never anything but zero: any positive diagonal leaves their columns uncoupled.
            row[i] += mean > 0 ? damping * mean : 1;
        }

        // A short row and a long one are a piece.
        WorkerPool.Run((columns + 1) / 2, i =>
        {
            Permute(i);
            if (columns - 1 - i != i)
            {
                Permute(columns - 1 - i);
            }
        });
        return InverseFactor.Of(permuted, columns);
    }

    /// <summary>λ of H + λI, for what is solved beside the factor.</summary>
    /// <param name="hessian">K×K.</param>
    /// <param name="columns">K.</param>
    /// <param name="damping">Part of mean diag(H).</param>
    /// <remarks><see cref="Factor"/> takes the mean first: another rounding of the same value, which its bytes rest on.</remarks>
    internal static double Lambda(double[] hessian, int columns, double damping) => Lambda(Diagonal(hessian, columns), damping);

    /// <summary>The same from diag(H).</summary>
    internal static double Lambda(double[] diagonal, double damping)
    {
        double sum = 0;
        foreach (double energy in diagonal)
        {
            sum += energy;
        }

        return sum > 0 ? damping * sum / diagonal.Length : 1;
    }

    private static double[] Diagonal(double[] hessian, int columns) => [.. Enumerable.Range(0, columns).Select(k => hessian[k * columns + k])];

    /// <summary>w −= factor · direction, unfused.</summary>
    internal static void Subtract(Span<double> w, double factor, ReadOnlySpan<double> direction)
    {
        Span<Vector256<double>> x = MemoryMarshal.Cast<double, Vector256<double>>(w);
        ReadOnlySpan<Vector256<double>> d = MemoryMarshal.Cast<double, Vector256<double>>(direction);
        Vector256<double> f = Vector256.Create(factor);
        for (int v = 0; v < x.Length; v++)
        {
            x[v] -= f * d[v];
        }

        for (int i = x.Length * Vector256<double>.Count; i < w.Length; i++)
        {
            w[i] -= factor * direction[i];
        }
    }
}

/// <summary>Options of GPTQ.</summary>
/// <param name="ActivationOrder">Columns in descending diag(H) ("act-order"), not left to right.</param>
/// <param name="Damping">Part of mean diag(H) added to the diagonal; 0.01 in the paper.</param>
/// <param name="Rounding">Treatment of ties.</param>
internal sealed record GptqOptions(bool ActivationOrder = true, double Damping = 0.01, Rounding Rounding = Rounding.HalfEven);
