using System.Diagnostics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>A calibration sequence at one block: input of the student, outputs of both teachers, attention map of the first.</summary>
/// <param name="hidden">Width of the residual stream.</param>
/// <param name="tokens">T.</param>
/// <param name="attention">Whether attention maps are compared.</param>
internal sealed class BlockSample(int hidden, int tokens, bool attention)
{
    /// <summary>The quantized stream, [token × hidden].</summary>
    public float[] Input { get; } = new float[tokens * hidden];

    /// <summary>The float block on the float stream.</summary>
    public float[] FloatTarget { get; } = new float[tokens * hidden];

    /// <summary>The float block on the quantized stream.</summary>
    public float[] QuantizedTarget { get; } = new float[tokens * hidden];

    /// <summary>Attention of the float block on the float stream, averaged over heads, [query × T + key]; empty where not compared.</summary>
    public float[] Attention { get; } = attention ? new float[tokens * tokens] : [];
}

/// <summary>Live state of a block's training.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps in all.</param>
/// <param name="Loss">Mean loss of the pass so far.</param>
/// <param name="Remaining">Estimate of the time left in this block.</param>
internal sealed record TrainingProgress(int Step, int Steps, double Loss, TimeSpan Remaining);

/// <summary>What a block's training did.</summary>
/// <param name="LossBefore">Mean loss before the first step.</param>
/// <param name="LossAfter">Mean loss over the same sequences after the last.</param>
/// <param name="Steps">Steps done.</param>
/// <param name="Elapsed">Time taken.</param>
internal sealed record TrainingReport(double LossBefore, double LossAfter, int Steps, TimeSpan Elapsed);

/// <summary>A loss that is not a number: training cannot go on.</summary>
public sealed class NonFiniteLossException(string message) : ArithmeticException(message);

/// <summary>
/// Reconstructs one block: trains smoothing, clipping and compensation through the quantizers, then folds (ABQ-LLM; OmniQuant
/// by options). The same options, weights and samples give the same bits, whatever the machine and thread count.
/// </summary>
internal sealed class BlockTrainer
{
    private const int ReportSamples = 8;
    private const int StepsPerProgress = 8;
    private readonly AbqOptions _options;
    private readonly string _name;
    private readonly int _tokens;
    private readonly BlockLayout _layout;
    private readonly StudentBlock _student;
    private readonly TrainingBlock _block;
    private readonly AdamW _optimizer;
    private readonly BlockSample _sample;
    private readonly float[] _y, _dy, _attention, _dAttention;

    /// <summary>Prepares a block.</summary>
    /// <param name="weights">The float block.</param>
    /// <param name="widths">Its grids.</param>
    /// <param name="options">Parts and rates.</param>
    /// <param name="statistics">Input statistics of the float block over the calibration set.</param>
    /// <param name="rotary">Rotary positions, or null.</param>
    /// <param name="tokens">Tokens of every sequence.</param>
    /// <param name="rankOne">Whether this block carries a rank-1 compensation.</param>
    /// <param name="name">The block's name in messages.</param>
    public BlockTrainer(BlockTensors weights, BlockWidths widths, AbqOptions options, BlockStatistics statistics, TrainingRotary? rotary, int tokens, bool rankOne, string name)
    {
        (_options, _name, _tokens, _layout) = (options, name, tokens, weights.Layout);
        _student = new StudentBlock(weights, widths, options, statistics);
        _block = new TrainingBlock(_layout, tokens, widths.ActivationBits, widths.KeyValueBits, rotary, widths.ActivationGroupSize);
        _sample = new BlockSample(_layout.Hidden, tokens, UsesAttention);
        _y = new float[tokens * _layout.Hidden];
        _dy = new float[tokens * _layout.Hidden];
        _attention = new float[UsesAttention ? tokens * tokens : 0];
        _dAttention = new float[_attention.Length];
        Start(options, statistics, rankOne);
        _optimizer = new AdamW([.. _student.Parameters]);
    }

    /// <summary>The block as it is multiplied now: norms folded, weights quantized and dequantized.</summary>
    public BlockTensors Quantized => _student.Quantized;

    /// <summary>Whether samples need the teacher's attention map.</summary>
    public bool UsesAttention => _options.Attention != AttentionDivergence.None && _options.AttentionWeight != 0;

    /// <summary>Trains.</summary>
    /// <param name="samples">Number of calibration sequences.</param>
    /// <param name="load">Fills the sample of an index.</param>
    /// <param name="progress">Live state, or null.</param>
    /// <param name="cancellation">Stops between steps.</param>
    /// <exception cref="NonFiniteLossException">The loss is not finite; the message names the block and the step.</exception>
    public TrainingReport Train(int samples, Action<int, BlockSample> load, IProgress<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        Stopwatch watch = Stopwatch.StartNew();
        int steps = _options.Epochs * samples, step = 0;
        double before = Evaluate(samples, load, "before training"), best = double.MaxValue;
        Random random = new(_options.Seed);
        int[] order = [.. Enumerable.Range(0, samples)];
        int stale = 0;
        for (int epoch = 0; epoch < _options.Epochs; epoch++)
        {
            if (_options.Shuffle)
            {
                random.Shuffle(order);
            }

            double sum = 0;
            for (int i = 0; i < samples; i++, step++)
            {
                cancellation.ThrowIfCancellationRequested();
                load(order[i], _sample);
                sum += Step(_options.CosineSchedule ? (float)Schedule(step, steps) : 1, step);
                if (step % StepsPerProgress == 0)
                {
                    progress?.Report(new TrainingProgress(step + 1, steps, sum / (i + 1), watch.Elapsed * ((double)(steps - step - 1) / (step + 1))));
                }
            }

            stale = sum / samples < best * 0.999 ? 0 : stale + 1;
            best = Math.Min(best, sum / samples);
            if (_options.Patience != 0 && stale >= _options.Patience)
            {
                break;
            }
        }

        _student.Materialize();
        return new TrainingReport(before, Evaluate(samples, load, "after training"), step, watch.Elapsed);
    }

    /// <summary>The quantized block's output for a sequence, with the runtime's activation and KV quantizers.</summary>
    public void Forward(float[] x, float[] y) => _block.Forward(_student.Quantized, x, y, _tokens);

    /// <summary>A trained layer as integers.</summary>
    public TrainedLinear Fold(BlockSlot linear) => _student[linear].Fold();

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

                (float[] low, float[] high) = options.ClippingSearch ? student.SearchClipping(importance) : student.PublishedClipping();
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

    private double Step(float factor, int step)
    {
        _student.Materialize();
        double loss = Finite(Loss(), $"of step {step + 1}");
        _block.Backward(_student.Quantized, _dy, UsesAttention ? _dAttention : null, _student.Gradients);
        _student.Backward();
        _optimizer.Step(factor);
        return loss;
    }

    private double Loss()
    {
        _block.Forward(_student.Quantized, _sample.Input, _y, _tokens);
        Array.Clear(_dy);
        double loss = Compare(_sample.FloatTarget);
        if (_options.BothTeachers)
        {
            loss += Compare(_sample.QuantizedTarget);
        }

        if (UsesAttention)
        {
            _block.MeanAttention(_attention);
            loss += AttentionLoss.Compute(_options.Attention, _attention, _sample.Attention, _dAttention, _tokens, _options.AttentionWeight);
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

    private double Finite(double loss, string when) => double.IsFinite(loss)
        ? loss
        : throw new NonFiniteLossException($"{_name}: the loss {when} is not finite; lower the learning rates, or use more bits.");

    private double Evaluate(int samples, Action<int, BlockSample> load, string when)
    {
        _student.Materialize();
        double sum = 0;
        int count = Math.Min(samples, ReportSamples);
        for (int i = 0; i < count; i++)
        {
            load(i, _sample);
            sum += Loss();
        }

        return Finite(sum / count, when);
    }

    // Half a cosine from 1 to 0, by the house's cosine: the same on every machine.
    private static double Schedule(int step, int steps) => 0.5 * (1 + ReproducibleMath.SineCosine(Math.PI * step / steps).Cosine);
}
