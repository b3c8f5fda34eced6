using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>What smoothing multiplies a layer's rows and columns by, and ∂loss/∂ln of these factors.</summary>
/// <param name="rows">N.</param>
/// <param name="columns">K.</param>
internal sealed class LinearFactors(int rows, int columns)
{
    /// <summary>What smoothing multiplies each row by.</summary>
    public float[] Row { get; } = Ones(rows);

    /// <summary>What smoothing multiplies each column by.</summary>
    public float[] Column { get; } = Ones(columns);

    /// <summary>∂loss/∂ln of the row factors.</summary>
    public float[] RowLogGradient { get; } = new float[rows];

    /// <summary>∂loss/∂ln of the column factors.</summary>
    public float[] ColumnLogGradient { get; } = new float[columns];

    private static float[] Ones(int count)
    {
        float[] ones = new float[count];
        Array.Fill(ones, 1);
        return ones;
    }
}

/// <summary>
/// The equivalent transformation of a block in training: its smoothing vectors, what they make of rows, columns and norms, and
/// how the gradients of those come back to them. Small enough for the host, wherever the block itself is.
/// </summary>
/// <remarks>
/// s_qkv: norm ÷ s, columns of q, k, v × s; s_fc1: norm ÷ s, columns of gate, up × s; both where a norm stands before the part.
/// s_out: rows of v ÷ s, columns of o × s (repeated over the query heads of a group). s_fc2: rows of up ÷ s, columns of down × s,
/// where the MLP is gated or its activation homogeneous: of degree one (ReLU), or of degree two (its square: rows ÷ √s). s_qk: rows
/// of k × s, rows of q ÷ s, one value per rotary pair, because only then does the scale pass through the rotation unchanged, and one
/// per channel that does not turn. Where queries and keys are normalised, a factor of their rows would vanish (of whole heads) or
/// change them (of single channels): there the gains of the two norms carry s_qk, and one vector serves the heads that share a gain.
/// </remarks>
internal sealed class StudentFactors
{
    private readonly BlockLayout _layout;
    private readonly AttentionLayout _heads;
    private readonly Func<BlockNorm, NormTensors> _norms;
    private readonly SmoothingVector? _qkv, _out, _fc1, _fc2, _qk;
    private readonly int[] _pairOfKey, _keyHeadColumn, _pairOfQuery;
    private readonly Dictionary<BlockSlot, LinearFactors> _linears = [];

    /// <summary>Starts with the published smoothing vectors, or with none.</summary>
    /// <param name="layout">The block.</param>
    /// <param name="norms">Its norms.</param>
    /// <param name="maxima">Largest magnitude of every column of a layer's weights.</param>
    /// <param name="options">Which pairs are smoothed, and how.</param>
    /// <param name="statistics">Input statistics of the float block.</param>
    public StudentFactors(BlockLayout layout, Func<BlockNorm, NormTensors> norms, Func<BlockSlot, float[]> maxima, AbqOptions options, BlockStatistics statistics)
    {
        (_layout, _heads, _norms) = (layout, layout.Attention, norms);
        int size = _heads.HeadSize, group = _heads.GroupHeads, turning = _layout.Rotary?.Dimensions ?? 0, pairs = size - turning / 2;
        int Pair(int channel) => channel < turning ? channel % (turning / 2) : channel - turning / 2;
        int[] shared = [.. Enumerable.Range(0, size).Select(Pair)];
        bool oneGain = _heads.QueryKeyNorm == QueryKeyNorm.Heads;
        _pairOfKey = oneGain ? shared : [.. Enumerable.Range(0, _heads.KeyValueWidth).Select(r => r / size * pairs + Pair(r % size))];
        _pairOfQuery = oneGain ? shared : [.. Enumerable.Range(0, _heads.QueryWidth).Select(r => r / size / group * pairs + Pair(r % size))];
        _keyHeadColumn = [.. Enumerable.Range(0, _heads.QueryWidth).Select(c => c / size / group * size + c % size)];
        foreach (BlockNorm norm in _layout.Norms)
        {
            (float[] gain, float[]? bias) = norms(norm);
            Norms.Add(norm, new NormTensors([.. gain], bias?.ToArray()));
            NormGradients.Add(norm, new NormTensors(new float[gain.Length], bias is null ? null : new float[bias.Length]));
        }

        foreach (BlockSlot linear in _layout.Slots)
        {
            (int rows, int columns) = _layout.SizeOf(linear);
            _linears.Add(linear, new LinearFactors(rows, columns));
        }

        if (options.Smoothing)
        {
            float[] Initial(BlockSlot linear) => SmoothingVector.Initial(statistics.Maximum(linear), maxima(linear), options.SmoothingAlpha);
            _qkv = _layout.HasNormsBefore ? new SmoothingVector(Initial(BlockSlot.Query), options) : null;
            _fc1 = _layout.HasNormsBefore ? new SmoothingVector(Initial(BlockSlot.Up), options) : null;
            _out = new SmoothingVector(FirstHeads(Initial(BlockSlot.Output)), options);
            // A root needs factors that stay positive, as e^θ does.
            _fc2 = options.SmoothUpDown && UpPower is { } power && (power == -1 || options.LogarithmicSmoothing) ? new SmoothingVector(Initial(BlockSlot.Down), options) : null;
            _qk = new SmoothingVector([.. Enumerable.Repeat(1f, (oneGain ? 1 : _heads.KeyValueHeads) * pairs)], options);
        }
    }

    /// <summary>The norms with their factors folded.</summary>
    public Dictionary<BlockNorm, NormTensors> Norms { get; } = [];

    /// <summary>Gradients with respect to <see cref="Norms"/>.</summary>
    public Dictionary<BlockNorm, NormTensors> NormGradients { get; } = [];

    /// <summary>The factors of a layer.</summary>
    public LinearFactors this[BlockSlot linear] => _linears[linear];

    /// <summary>The smoothing vectors' trainable values.</summary>
    public IEnumerable<ParameterGroup> Parameters => Vectors.Select(v => v.Group);

    /// <summary>Whether a gradient of a norm is wanted.</summary>
    public bool Trains(BlockNorm norm) => NormUse(norm) is not null;

    /// <summary>Whether ∂loss/∂ln of a layer's row factors is wanted.</summary>
    public bool TrainsRows(BlockSlot linear) => RowUse(linear) is not null;

    /// <summary>Whether that of its column factors is wanted.</summary>
    public bool TrainsColumns(BlockSlot linear) => ColumnUse(linear) is not null;

    private IEnumerable<SmoothingVector> Vectors => new[] { _qkv, _out, _fc1, _fc2, _qk }.OfType<SmoothingVector>();

    /// <summary>Factors of rows and columns and the folded norms, from the present vectors.</summary>
    public void Update()
    {
        foreach (SmoothingVector vector in Vectors)
        {
            vector.Update();
        }

        foreach (BlockNorm norm in _layout.Norms)
        {
            if (NormUse(norm) is { } use)
            {
                NormTensors original = _norms(norm);
                Scale(original.Gain, use, Norms[norm].Gain);
                if (original.Bias is { } bias)
                {
                    Scale(bias, use, Norms[norm].Bias!);
                }
            }
        }

        foreach (BlockSlot linear in _layout.Slots)
        {
            Fill(_linears[linear].Row, RowUse(linear));
            Fill(_linears[linear].Column, ColumnUse(linear));
        }
    }

    /// <summary>From the gradients of factors and norms to those of the trained values.</summary>
    public void Backward()
    {
        foreach (BlockSlot linear in _layout.Slots)
        {
            RowUse(linear)?.Scatter(_linears[linear].RowLogGradient);
            ColumnUse(linear)?.Scatter(_linears[linear].ColumnLogGradient);
        }

        foreach (BlockNorm norm in _layout.Norms)
        {
            if (NormUse(norm) is { } use)
            {
                use.Scatter(Products(NormGradients[norm].Gain, Norms[norm].Gain));
                if (NormGradients[norm].Bias is { } bias)
                {
                    use.Scatter(Products(bias, Norms[norm].Bias!));
                }
            }
        }

        foreach (SmoothingVector vector in Vectors)
        {
            vector.FinishGradient();
        }
    }

    // Rows of up times s^power divide what down reads by s.
    private float? UpPower => _layout switch
    {
        { Gated: true } or { Activation: ActivationKind.Relu } => -1,
        { Activation: ActivationKind.SquaredRelu } => -0.5f,
        _ => null,
    };

    private SmoothingUse? RowUse(BlockSlot linear) => linear switch
    {
        BlockSlot.Query when _heads.QueryKeyNorm == QueryKeyNorm.None => Use(_qk, _pairOfQuery, -1),
        BlockSlot.Key when _heads.QueryKeyNorm == QueryKeyNorm.None => Use(_qk, _pairOfKey, 1),
        BlockSlot.Value => Use(_out, null, -1),
        BlockSlot.Up => Use(_fc2, null, UpPower ?? 0),
        _ => null,
    };

    private SmoothingUse? ColumnUse(BlockSlot linear) => linear switch
    {
        BlockSlot.Query or BlockSlot.Key or BlockSlot.Value => Use(_qkv, null, 1),
        BlockSlot.Output => Use(_out, _keyHeadColumn, 1),
        BlockSlot.Gate or BlockSlot.Up => Use(_fc1, null, 1),
        _ => Use(_fc2, null, 1),
    };

    private SmoothingUse? NormUse(BlockNorm norm) => norm switch
    {
        BlockNorm.Attention => Use(_qkv, null, -1),
        BlockNorm.Mlp => Use(_fc1, null, -1),
        BlockNorm.Query => Use(_qk, _pairOfQuery, -1),
        BlockNorm.Key => Use(_qk, _pairOfKey, 1),
        _ => null,
    };

    private static SmoothingUse? Use(SmoothingVector? vector, int[]? map, float power) => vector is null ? null : new SmoothingUse(vector, map, power);

    private static void Fill(float[] factors, SmoothingUse? use)
    {
        for (int i = 0; i < factors.Length; i++)
        {
            factors[i] = use?.Factor(i) ?? 1;
        }
    }

    // A quotient where it is one: rounded once.
    private static void Scale(float[] values, SmoothingUse use, float[] result)
    {
        for (int i = 0; i < values.Length; i++)
        {
            result[i] = use.Power == -1 ? values[i] / use.Scale(i) : values[i] * use.Factor(i);
        }
    }

    private static float[] Products(float[] gradient, float[] values) => [.. gradient.Zip(values, (g, v) => g * v)];

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
}
