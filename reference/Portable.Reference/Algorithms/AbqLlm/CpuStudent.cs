using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>A block in training on the managed CPU.</summary>
internal sealed class CpuStudent : IBlockStudent
{
    private readonly AbqOptions _options;
    private readonly int _tokens;
    private readonly BlockLayout _layout;
    private readonly StudentBlock _student;
    private readonly TrainingBlock _block;
    private readonly AdamW _optimizer;
    private readonly float[] _input, _floatTarget, _quantizedTarget, _teacherAttention, _triangle, _y, _dy, _attention, _dAttention;

    /// <summary>Prepares a block.</summary>
    /// <param name="weights">The float block.</param>
    /// <param name="widths">Its grids.</param>
    /// <param name="options">Parts and rates.</param>
    /// <param name="statistics">Input statistics of the float block over the calibration set.</param>
    /// <param name="rotary">Rotary positions, or null.</param>
    /// <param name="tokens">Tokens of every sequence.</param>
    /// <param name="rankOne">Whether this block carries a rank-1 compensation.</param>
    public CpuStudent(BlockTensors weights, BlockWidths widths, AbqOptions options, BlockStatistics statistics, TrainingRotary? rotary, int tokens, bool rankOne)
    {
        (_options, _tokens, _layout) = (options, tokens, weights.Layout);
        _student = new StudentBlock(weights, widths, options, statistics);
        _block = new TrainingBlock(_layout, tokens, widths.ActivationBits, widths.KeyValueBits, rotary, widths.ActivationGroupSize);
        _input = new float[tokens * _layout.Hidden];
        _floatTarget = new float[_input.Length];
        _quantizedTarget = new float[options.BothTeachers ? _input.Length : 0];
        _teacherAttention = new float[options.ComparesAttention ? tokens * tokens : 0];
        _triangle = new float[options.ComparesAttention ? tokens * (tokens + 1) / 2 : 0];
        _y = new float[tokens * _layout.Hidden];
        _dy = new float[tokens * _layout.Hidden];
        _attention = new float[options.ComparesAttention ? tokens * tokens : 0];
        _dAttention = new float[_attention.Length];
        Start(options, statistics, rankOne);
        _optimizer = new AdamW([.. _student.Parameters]);
    }

    /// <summary>The block as it is multiplied now: norms folded, weights quantized and dequantized.</summary>
    public BlockTensors Quantized => _student.Quantized;

    /// <inheritdoc/>
    public void Materialize() => _student.Materialize();

    /// <inheritdoc/>
    public double Loss(int sample, int? next, SampleReader read)
    {
        read(sample, SamplePart.Input, _input);
        read(sample, SamplePart.FloatTarget, _floatTarget);
        if (_options.BothTeachers)
        {
            read(sample, SamplePart.QuantizedTarget, _quantizedTarget);
        }

        if (_options.ComparesAttention)
        {
            read(sample, SamplePart.Attention, _triangle);
            for (int t = 0; t < _tokens; t++)
            {
                _triangle.AsSpan(t * (t + 1) / 2, t + 1).CopyTo(_teacherAttention.AsSpan(t * _tokens));
            }
        }

        return Loss();
    }

    /// <inheritdoc/>
    public void Update(float factor)
    {
        _block.Backward(_student.Quantized, _dy, _options.ComparesAttention ? _dAttention : null, _student.Gradients);
        _student.Backward();
        _optimizer.Step(factor);
    }

    /// <summary>The quantized block's output for a sequence, with the runtime's activation and KV quantizers.</summary>
    public void Forward(float[] x, float[] y) => _block.Forward(_student.Quantized, x, y, _tokens);

    /// <inheritdoc/>
    public TrainedLinear Fold(BlockSlot linear) => _student[linear].Fold();

    /// <inheritdoc/>
    public NormTensors Norm(BlockNorm norm) => _student.Quantized[norm];

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private void Start(AbqOptions options, BlockStatistics statistics, bool rankOne)
    {
        _student.UpdateFactors();
        foreach (BlockSlot linear in _layout.Slots)
        {
            StudentLinear student = _student[linear];
            if (options.Clipping)
            {
                float[] importance = statistics.MeanSquare(linear);
                for (int k = 0; k < importance.Length; k++)
                {
                    importance[k] /= student.ColumnFactor[k] * student.ColumnFactor[k];
                }

                (float[] low, float[] high) = options switch
                {
                    { SearchedGrids: true } => student.SearchGrids(importance),
                    { ClippingSearch: true } => student.SearchClipping(importance),
                    _ => student.PublishedClipping(),
                };
                student.AddClipping(low, high, options.ClippingRate);
            }

            if (rankOne && linear == BlockSlot.Down)
            {
                student.AddRankOne(options.RankOneRate);
            }
        }

        _student.Materialize();
        foreach (BlockSlot linear in _layout.Slots)
        {
            if (options.Compensation == WeightCompensation.Full)
            {
                _student[linear].AddOffset(options.OffsetRate);
            }
        }
    }

    private double Loss()
    {
        _block.Forward(_student.Quantized, _input, _y, _tokens);
        Array.Clear(_dy);
        double loss = Compare(_floatTarget);
        if (_options.BothTeachers)
        {
            loss += Compare(_quantizedTarget);
        }

        if (_options.ComparesAttention)
        {
            _block.MeanAttention(_attention);
            loss += AttentionLoss.Compute(_options.Attention, _attention, _teacherAttention, _dAttention, _tokens, _options.AttentionWeight);
        }

        return loss;
    }

    private double Compare(float[] target)
    {
        float weight = _options.MseWeight;
        if (_options.RelativeMse)
        {
            weight /= MathF.Max(RowMath.Dot(target, target) / target.Length, 1e-12f);
        }

        return DistributionLoss.Add(_y, target, _dy, _tokens, _layout.Hidden, weight, _options.CosineWeight);
    }
}
