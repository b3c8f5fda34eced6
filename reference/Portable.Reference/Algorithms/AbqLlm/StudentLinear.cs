using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>
/// A linear layer in training: W' = diag(row)·W·diag(column) + a·bᵀ + D, clipped and quantized per channel (and group), with
/// the gradients of every part.
/// </summary>
internal sealed class StudentLinear
{
    // σ(4): the published start of clipping, and the end of the searched range.
    private const float LargestClip = 0.98201379f, SmallestClip = 0.05f;

    /// <summary>The searched factors of both ends, in order.</summary>
    public static float[] ClipCandidates { get; } = [.. Candidates()];

    private readonly LinearTensors _original;
    private readonly LinearFactors _factors;
    private readonly int _levels, _groupSize, _groups;
    private readonly ScaleFormat _scales;
    private readonly float[] _transformed, _clipLow, _clipHigh;
    private readonly AffineRange[] _ranges;

    /// <summary>A layer without trainable parts; they are added one by one.</summary>
    /// <param name="original">Float weights; kept, never changed.</param>
    /// <param name="widths">Levels and groups of the grid.</param>
    /// <param name="factors">Factors of its rows and columns; null = ones of its own.</param>
    public StudentLinear(LinearTensors original, BlockWidths widths, LinearFactors? factors = null)
    {
        (int n, int k) = (original.Rows, original.Columns);
        _original = original;
        (_levels, _scales) = (widths.WeightLevels, widths.Scales);
        _groupSize = widths.GroupSize == 0 ? k : Math.Min(widths.GroupSize, k);
        _groups = (k + _groupSize - 1) / _groupSize;
        _transformed = new float[n * k];
        _ranges = new AffineRange[n * _groups];
        _clipLow = new float[n * _groups];
        _clipHigh = new float[n * _groups];
        Array.Fill(_clipLow, 1);
        Array.Fill(_clipHigh, 1);
        _factors = factors ?? new LinearFactors(n, k);
        Quantized = new LinearTensors(n, k, new float[n * k], original.Bias is null ? null : new float[n]);
        Gradient = new LinearTensors(n, k, new float[n * k], original.Bias is null ? null : new float[n]);
    }

    /// <summary>What smoothing multiplies each row by.</summary>
    public float[] RowFactor => _factors.Row;

    /// <summary>What smoothing multiplies each column by.</summary>
    public float[] ColumnFactor => _factors.Column;

    /// <summary>∂loss/∂ln of the row factors.</summary>
    public float[] RowLogGradient => _factors.RowLogGradient;

    /// <summary>∂loss/∂ln of the column factors.</summary>
    public float[] ColumnLogGradient => _factors.ColumnLogGradient;

    /// <summary>Ŵ and the scaled bias: what the block multiplies.</summary>
    public LinearTensors Quantized { get; }

    /// <summary>∂loss/∂Ŵ on entry to <see cref="Backward"/>, ∂loss/∂W' after it.</summary>
    public LinearTensors Gradient { get; }

    /// <summary>Logits β of the factors of the lower ends, [row × groups + group], or null.</summary>
    public ParameterGroup? LowClip { get; private set; }

    /// <summary>Logits γ of the factors of the upper ends, or null.</summary>
    public ParameterGroup? HighClip { get; private set; }

    /// <summary>a of the rank-1 compensation, or null.</summary>
    public ParameterGroup? RankRow { get; private set; }

    /// <summary>b of the rank-1 compensation, or null.</summary>
    public ParameterGroup? RankColumn { get; private set; }

    /// <summary>D, or null.</summary>
    public ParameterGroup? Offset { get; private set; }

    /// <summary>All trainable parts.</summary>
    public IEnumerable<ParameterGroup> Parameters => new[] { LowClip, HighClip, RankRow, RankColumn, Offset }.OfType<ParameterGroup>();

    /// <summary>Makes the clip factors trainable, starting at σ of the logits.</summary>
    public void AddClipping(float[] lowLogits, float[] highLogits, float rate)
    {
        LowClip = new ParameterGroup(lowLogits, new float[lowLogits.Length], rate);
        HighClip = new ParameterGroup(highLogits, new float[highLogits.Length], rate);
    }

    /// <summary>Adds a = 0, b = 1.</summary>
    public void AddRankOne(float rate)
    {
        RankRow = new ParameterGroup(new float[_original.Rows], new float[_original.Rows], rate);
        RankColumn = new ParameterGroup(new float[_original.Columns], new float[_original.Columns], rate);
        Array.Fill(RankColumn.Values, 1);
    }

    /// <summary>Adds D = 0 with a learning rate in units of each row's present step.</summary>
    public void AddOffset(float rate)
    {
        float[] steps = new float[_original.Rows];
        for (int n = 0; n < steps.Length; n++)
        {
            for (int g = 0; g < _groups; g++)
            {
                steps[n] += _ranges[n * _groups + g].Scale / _groups;
            }
        }

        Offset = new ParameterGroup(new float[_original.Weight.Length], Gradient.Weight, rate, steps);
    }

    /// <summary>W', its ranges and Ŵ from the present parameters.</summary>
    public void Materialize()
    {
        int k = _original.Columns;
        WorkerPool.Run(_original.Rows, n =>
        {
            Transform(n);
            if (_levels == 0)
            {
                _transformed.AsSpan(n * k, k).CopyTo(Quantized.Weight.AsSpan(n * k, k));
            }

            for (int g = 0; g < _groups && _levels > 0; g++)
            {
                int at = n * _groups + g;
                if (LowClip is not null)
                {
                    _clipLow[at] = Clip(LowClip.Values[at]);
                    _clipHigh[at] = Clip(HighClip!.Values[at]);
                }

                ReadOnlySpan<float> segment = Segment(_transformed, n, g);
                _ranges[at] = AffineQuantization.Range(segment, _levels, _clipLow[at], _clipHigh[at], _scales);
                AffineQuantization.Dequantized(segment, Segment(Quantized.Weight, n, g), _levels, _ranges[at]);
            }

            if (_original.Bias is { } bias)
            {
                Quantized.Bias![n] = bias[n] * RowFactor[n];
            }
        });
    }

    /// <summary>Gradients of every part from <see cref="Gradient"/>.</summary>
    public void Backward()
    {
        int k = _original.Columns;
        float[] gradient = Gradient.Weight;
        WorkerPool.Run(_original.Rows, n =>
        {
            for (int g = 0; g < _groups && _levels > 0; g++)
            {
                int at = n * _groups + g;
                (float low, float high) = AffineQuantization.Backward(Segment(_transformed, n, g), Segment(gradient, n, g), _levels, _ranges[at], _clipLow[at], _clipHigh[at]);
                if (LowClip is not null)
                {
                    LowClip.Gradient[at] = low * _clipLow[at] * (1 - _clipLow[at]);
                    HighClip!.Gradient[at] = high * _clipHigh[at] * (1 - _clipHigh[at]);
                }
            }

            ReadOnlySpan<float> row = gradient.AsSpan(n * k, k);
            RowLogGradient[n] = RowFactor[n] * TripleDot(row, _original.Weight.AsSpan(n * k, k), ColumnFactor);
            if (_original.Bias is { } bias)
            {
                RowLogGradient[n] += Gradient.Bias![n] * bias[n] * RowFactor[n];
            }

            if (RankRow is not null)
            {
                RankRow.Gradient[n] = RowMath.Dot(row, RankColumn!.Values);
            }
        });

        ColumnMath.DotColumns(gradient, _original.Weight, RowFactor, ColumnLogGradient, _original.Rows, k);
        for (int i = 0; i < k; i++)
        {
            ColumnLogGradient[i] *= ColumnFactor[i];
        }

        if (RankColumn is not null)
        {
            ColumnMath.WeightedSumColumns(gradient, RankRow!.Values, RankColumn.Gradient, _original.Rows, k);
        }
    }

    /// <summary>The final codes 0 … levels with scale and zero point per channel and group.</summary>
    public TrainedLinear Fold()
    {
        int k = _original.Columns;
        short[] codes = new short[_transformed.Length];
        for (int n = 0; n < _original.Rows; n++)
        {
            for (int i = 0; i < k; i++)
            {
                codes[n * k + i] = (short)AffineQuantization.Code(_transformed[n * k + i], _levels, _ranges[n * _groups + i / _groupSize]);
            }
        }

        return new TrainedLinear(codes, [.. _ranges.Select(r => r.Scale)], [.. _ranges.Select(r => (byte)r.ZeroPoint)], Quantized.Bias?.ToArray(), [.. ColumnFactor], [.. RowFactor]);
    }

    /// <summary>Logits of the clip factors as published: 4, hardly any clipping.</summary>
    public (float[] Low, float[] High) PublishedClipping()
    {
        float[] low = new float[_ranges.Length], high = new float[_ranges.Length];
        Array.Fill(low, 4);
        Array.Fill(high, 4);
        return (low, high);
    }

    /// <summary>Logits of the clip factors, one factor for both ends then each end alone, of least Σ_k h_k·(W' − Ŵ)².</summary>
    /// <param name="importance">h: mean square of each input channel after smoothing.</param>
    public (float[] Low, float[] High) SearchClipping(float[] importance)
    {
        float[] low = new float[_ranges.Length], high = new float[_ranges.Length];
        WorkerPool.Run(_original.Rows, n =>
        {
            Transform(n);
            float[] candidate = new float[_groupSize];
            for (int g = 0; g < _groups; g++)
            {
                ReadOnlySpan<float> w = Segment(_transformed, n, g), h = importance.AsSpan(g * _groupSize, w.Length);
                (float bestLow, float bestHigh) = (LargestClip, LargestClip);
                float best = Error(w, h, candidate, bestLow, bestHigh);
                foreach (float both in ClipCandidates)
                {
                    Try(w, h, candidate, both, both, ref best, ref bestLow, ref bestHigh);
                }

                float centreLow = bestLow, centreHigh = bestHigh;
                for (int i = -4; i <= 4; i++)
                {
                    Try(w, h, candidate, Math.Clamp(centreLow + 0.03f * i, 0.2f, LargestClip), bestHigh, ref best, ref bestLow, ref bestHigh);
                }

                for (int i = -4; i <= 4; i++)
                {
                    Try(w, h, candidate, bestLow, Math.Clamp(centreHigh + 0.03f * i, 0.2f, LargestClip), ref best, ref bestLow, ref bestHigh);
                }

                low[n * _groups + g] = Logit(bestLow);
                high[n * _groups + g] = Logit(bestHigh);
            }
        });
        return (low, high);
    }

    /// <summary>Logits of the clip factors that give the grids of <see cref="GridSearch"/>, where those lose less than what <see cref="SearchClipping"/> finds.</summary>
    /// <param name="importance">h: mean square of each input channel after smoothing.</param>
    /// <remarks>A searched grid may end beyond the weights, where no clip factor reaches: such an end stays at the largest factor.</remarks>
    public (float[] Low, float[] High) SearchGrids(float[] importance)
    {
        (float[] low, float[] high) = SearchClipping(importance);
        WorkerPool.Run(_original.Rows, n =>
        {
            float[] candidate = new float[_groupSize];
            double[] values = new double[_groupSize], importances = new double[_groupSize];
            for (int g = 0; g < _groups; g++)
            {
                int at = n * _groups + g;
                ReadOnlySpan<float> w = Segment(_transformed, n, g), h = importance.AsSpan(g * _groupSize, w.Length);
                for (int i = 0; i < w.Length; i++)
                {
                    (values[i], importances[i]) = (w[i], h[i]);
                }

                WeightGrid grid = GridSearch.Asymmetric(values.AsSpan(0, w.Length), importances.AsSpan(0, w.Length), _levels, _scales);
                float clipLow = Factor(grid.Decode(0), TensorPrimitives.Min(w)), clipHigh = Factor(grid.Decode(_levels), TensorPrimitives.Max(w));
                if (Error(w, h, candidate, clipLow, clipHigh) < Error(w, h, candidate, Clip(low[at]), Clip(high[at])))
                {
                    (low[at], high[at]) = (Logit(clipLow), Logit(clipHigh));
                }
            }
        });
        return (low, high);

        static float Factor(double end, float extreme) => extreme == 0 ? LargestClip : (float)Math.Clamp(end / extreme, SmallestClip, LargestClip);
    }

    private static float Clip(float logit) => Contract.Reciprocal(1 + Contract.Exp(-logit));

    /// <summary>What σ makes a clip factor of.</summary>
    public static float Logit(float factor) => (float)ReproducibleMath.Log(factor / (1 - factor));

    private static IEnumerable<float> Candidates()
    {
        for (float both = LargestClip; both > 0.3f; both -= 0.04f)
        {
            yield return both;
        }
    }

    private void Try(ReadOnlySpan<float> w, ReadOnlySpan<float> h, float[] candidate, float low, float high, ref float best, ref float bestLow, ref float bestHigh)
    {
        float error = Error(w, h, candidate, low, high);
        if (error < best)
        {
            (best, bestLow, bestHigh) = (error, low, high);
        }
    }

    private float Error(ReadOnlySpan<float> w, ReadOnlySpan<float> h, float[] candidate, float low, float high)
    {
        Span<float> quantized = candidate.AsSpan(0, w.Length);
        AffineQuantization.Dequantized(w, quantized, _levels, AffineQuantization.Range(w, _levels, low, high, _scales));
        TensorPrimitives.Subtract(quantized, w, quantized);
        return TripleDot(quantized, quantized, h);
    }

    private void Transform(int n)
    {
        int k = _original.Columns, i = 0;
        ReadOnlySpan<float> w = _original.Weight.AsSpan(n * k, k), column = ColumnFactor, b = RankColumn?.Values, d = Offset is null ? default : Offset.Values.AsSpan(n * k, k);
        Span<float> result = _transformed.AsSpan(n * k, k);
        float row = RowFactor[n], a = RankRow?.Values[n] ?? 0;
        for (; i <= k - 8; i += 8)
        {
            Vector256<float> v = Vector256.Create(w.Slice(i, 8)) * Vector256.Create(column.Slice(i, 8)) * row;
            v = b.IsEmpty ? v : v + Vector256.Create(b.Slice(i, 8)) * a;
            v = d.IsEmpty ? v : v + Vector256.Create(d.Slice(i, 8));
            v.CopyTo(result[i..]);
        }

        for (; i < k; i++)
        {
            float v = w[i] * column[i] * row;
            v = b.IsEmpty ? v : v + b[i] * a;
            result[i] = d.IsEmpty ? v : v + d[i];
        }
    }

    private Span<float> Segment(float[] matrix, int row, int group)
    {
        int first = group * _groupSize, k = _original.Columns;
        return matrix.AsSpan(row * k + first, Math.Min(_groupSize, k - first));
    }

    private static float TripleDot(ReadOnlySpan<float> a, ReadOnlySpan<float> b, ReadOnlySpan<float> c)
    {
        Vector256<float> sum = default;
        int k = 0;
        for (; k <= a.Length - 8; k += 8)
        {
            sum += Vector256.Create(a.Slice(k, 8)) * Vector256.Create(b.Slice(k, 8)) * Vector256.Create(c.Slice(k, 8));
        }

        Span<float> partial = stackalloc float[8];
        sum.CopyTo(partial);
        for (int lane = 0; k < a.Length; k++, lane++)
        {
            partial[lane] += a[k] * b[k] * c[k];
        }

        return RowMath.Halve(partial);
    }
}
