using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>
/// The trainable side of a block: smoothing vectors on five pairs, the seven (six) linears, and the folded norms.
/// </summary>
/// <remarks>
/// s_qkv: norm ÷ s, columns of q, k, v × s. s_fc1: norm ÷ s, columns of gate, up × s. s_out: rows of v ÷ s, columns of o × s
/// (repeated over the query heads of a group). s_fc2: rows of up ÷ s, columns of down × s. s_qk: rows of k × s, rows of q ÷ s,
/// one value per rotary pair (i, i + d/2), because only then does the scale pass through the rotation unchanged.
/// </remarks>
internal sealed class StudentBlock
{
    private readonly BlockTensors _original;
    private readonly BlockLayout _layout;
    private readonly AttentionLayout _heads;
    private readonly SmoothingVector? _qkv, _out, _fc1, _fc2, _qk;
    private readonly int[] _pairOfKey, _keyHeadColumn, _pairOfQuery;
    private readonly Dictionary<BlockSlot, StudentLinear> _linears = [];

    /// <summary>Starts with the published smoothing vectors, or with none.</summary>
    /// <param name="original">The float block.</param>
    /// <param name="widths">Its grids.</param>
    /// <param name="options">Which pairs are smoothed, and how.</param>
    /// <param name="statistics">Input statistics of the float block.</param>
    public StudentBlock(BlockTensors original, BlockWidths widths, AbqOptions options, BlockStatistics statistics)
    {
        _original = original;
        _layout = original.Layout;
        _heads = _layout.Attention;
        int size = _heads.HeadSize, pairs = _layout.Rotary is null ? size : size / 2, group = _heads.GroupHeads;
        _pairOfKey = [.. Enumerable.Range(0, _heads.KeyValueWidth).Select(r => r / size * pairs + r % size % pairs)];
        _pairOfQuery = [.. Enumerable.Range(0, _heads.QueryWidth).Select(r => r / size / group * pairs + r % size % pairs)];
        _keyHeadColumn = [.. Enumerable.Range(0, _heads.QueryWidth).Select(c => c / size / group * size + c % size)];
        Quantized = new BlockTensors(_layout);
        Gradients = new BlockTensors(_layout);
        foreach (BlockNorm norm in _layout.Norms)
        {
            (float[] gain, float[]? bias) = original[norm];
            Quantized[norm] = new NormTensors([.. gain], bias?.ToArray());
            Gradients[norm] = new NormTensors(new float[gain.Length], bias is null ? null : new float[bias.Length]);
        }

        foreach (BlockSlot linear in _layout.Slots)
        {
            StudentLinear student = new(original[linear], widths);
            _linears.Add(linear, student);
            Quantized[linear] = student.Quantized;
            Gradients[linear] = student.Gradient;
        }

        if (options.Smoothing)
        {
            float alpha = options.SmoothingAlpha;
            _qkv = new SmoothingVector(SmoothingVector.Initial(statistics.Maximum(BlockSlot.Query), ColumnMaxima(original[BlockSlot.Query]), alpha), options);
            _fc1 = new SmoothingVector(SmoothingVector.Initial(statistics.Maximum(BlockSlot.Up), ColumnMaxima(original[BlockSlot.Up]), alpha), options);
            _out = new SmoothingVector(FirstHeads(SmoothingVector.Initial(statistics.Maximum(BlockSlot.Output), ColumnMaxima(original[BlockSlot.Output]), alpha)), options);
            _fc2 = options.SmoothUpDown ? new SmoothingVector(SmoothingVector.Initial(statistics.Maximum(BlockSlot.Down), ColumnMaxima(original[BlockSlot.Down]), alpha), options) : null;
            _qk = new SmoothingVector([.. Enumerable.Repeat(1f, _heads.KeyValueHeads * pairs)], options);
        }
    }

    /// <summary>The block as it is multiplied: quantized weights, folded norms.</summary>
    public BlockTensors Quantized { get; }

    /// <summary>Gradients with respect to <see cref="Quantized"/>.</summary>
    public BlockTensors Gradients { get; }

    /// <summary>A layer.</summary>
    public StudentLinear this[BlockSlot linear] => _linears[linear];

    /// <summary>All trainable values: smoothing vectors, then the layers' parts.</summary>
    public IEnumerable<ParameterGroup> Parameters =>
        Vectors.Select(v => v.Group).Concat(_layout.Slots.SelectMany(l => _linears[l].Parameters));

    private IEnumerable<SmoothingVector> Vectors => new[] { _qkv, _out, _fc1, _fc2, _qk }.OfType<SmoothingVector>();

    /// <summary>Factors of rows and columns and the folded norms, from the present vectors.</summary>
    public void UpdateFactors()
    {
        foreach (SmoothingVector vector in Vectors)
        {
            vector.Update();
        }

        if (_qkv is null)
        {
            return;
        }

        Divide(BlockNorm.Attention, _qkv.Scale);
        Divide(BlockNorm.Mlp, _fc1!.Scale);

        foreach (BlockSlot linear in _layout.Slots)
        {
            StudentLinear student = _linears[linear];
            for (int n = 0; n < student.RowFactor.Length; n++)
            {
                student.RowFactor[n] = RowVector(linear) is var (vector, map, inverse) ? Factor(vector, map, inverse, n) : 1;
            }

            for (int k = 0; k < student.ColumnFactor.Length; k++)
            {
                student.ColumnFactor[k] = ColumnVector(linear) is var (vector, map, _) ? Factor(vector, map, false, k) : 1;
            }
        }
    }

    /// <summary>Folds and quantizes every layer.</summary>
    public void Materialize()
    {
        UpdateFactors();
        foreach (StudentLinear linear in _linears.Values)
        {
            linear.Materialize();
        }
    }

    /// <summary>From the gradients of the quantized block to those of the trained values.</summary>
    public void Backward()
    {
        foreach (BlockSlot linear in _layout.Slots)
        {
            StudentLinear student = _linears[linear];
            student.Backward();
            if (RowVector(linear) is var (row, rowMap, inverse))
            {
                Scatter(row, rowMap, student.RowLogGradient, inverse);
            }

            if (ColumnVector(linear) is var (column, columnMap, _))
            {
                Scatter(column, columnMap, student.ColumnLogGradient, false);
            }
        }

        if (_qkv is not null)
        {
            AddNorm(_qkv, BlockNorm.Attention);
            AddNorm(_fc1!, BlockNorm.Mlp);
        }

        foreach (SmoothingVector vector in Vectors)
        {
            vector.FinishGradient();
        }
    }

    private (SmoothingVector Vector, int[]? Map, bool Inverse)? RowVector(BlockSlot linear) => linear switch
    {
        BlockSlot.Query when _qk is not null => (_qk, _pairOfQuery, true),
        BlockSlot.Key when _qk is not null => (_qk, _pairOfKey, false),
        BlockSlot.Value when _out is not null => (_out, null, true),
        BlockSlot.Up when _fc2 is not null => (_fc2, null, true),
        _ => null,
    };

    private (SmoothingVector Vector, int[]? Map, bool Inverse)? ColumnVector(BlockSlot linear) => linear switch
    {
        BlockSlot.Query or BlockSlot.Key or BlockSlot.Value when _qkv is not null => (_qkv, null, false),
        BlockSlot.Output when _out is not null => (_out, _keyHeadColumn, false),
        BlockSlot.Gate or BlockSlot.Up when _fc1 is not null => (_fc1, null, false),
        BlockSlot.Down when _fc2 is not null => (_fc2, null, false),
        _ => null,
    };

    private static float Factor(SmoothingVector vector, int[]? map, bool inverse, int at)
    {
        float scale = vector.Scale[map is null ? at : map[at]];
        return inverse ? 1 / scale : scale;
    }

    private static void Scatter(SmoothingVector vector, int[]? map, float[] logGradient, bool inverse)
    {
        for (int i = 0; i < logGradient.Length; i++)
        {
            vector.LogGradient[map is null ? i : map[i]] += inverse ? -logGradient[i] : logGradient[i];
        }
    }

    private void Divide(BlockNorm norm, float[] by)
    {
        Divide(_original[norm].Gain, by, Quantized[norm].Gain);
        if (_original[norm].Bias is { } bias)
        {
            Divide(bias, by, Quantized[norm].Bias!);
        }
    }

    private void AddNorm(SmoothingVector vector, BlockNorm norm)
    {
        AddNorm(vector, Gradients[norm].Gain, Quantized[norm].Gain);
        if (Gradients[norm].Bias is { } bias)
        {
            AddNorm(vector, bias, Quantized[norm].Bias!);
        }
    }

    private static void AddNorm(SmoothingVector vector, float[] gradient, float[] value)
    {
        for (int i = 0; i < value.Length; i++)
        {
            vector.LogGradient[i] -= gradient[i] * value[i];
        }
    }

    private static void Divide(float[] values, float[] by, float[] result)
    {
        for (int i = 0; i < values.Length; i++)
        {
            result[i] = values[i] / by[i];
        }
    }

    private float[] FirstHeads(float[] perQueryColumn)
    {
        float[] result = new float[_heads.KeyValueWidth];
        for (int c = perQueryColumn.Length - 1; c >= 0; c--)
        {
            // Descending, so that the first query head of a group stays, as published.
            result[_keyHeadColumn[c]] = perQueryColumn[c];
        }

        return result;
    }

    private static float[] ColumnMaxima(LinearTensors linear)
    {
        float[] maxima = new float[linear.Columns];
        for (int i = 0; i < linear.Weight.Length; i++)
        {
            maxima[i % linear.Columns] = MathF.Max(maxima[i % linear.Columns], MathF.Abs(linear.Weight[i]));
        }

        return maxima;
    }
}
