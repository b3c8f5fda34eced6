using Portable.Execution;
using Portable.Models;
using Portable.Quantization;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Training;

/// <summary>
/// A block in training on the device, step for step Portable.Reference's CpuStudent. What is as long as a row or a column is the host's: the smoothing
/// vectors, and the loss from what the device sums of each token. One block's weights, offsets and moments are on the device, and one sample.
/// </summary>
internal sealed class VulkanStudent : IBlockStudent
{
    private readonly VulkanContext _gpu;
    private readonly AbqOptions _options;
    private readonly BlockLayout _layout;
    private readonly int _tokens;
    private readonly TrainingKernels _kernels;
    private readonly TrainingDeviceBlock _block;
    private readonly Dictionary<BlockSlot, TrainingDeviceLinear> _linears = [];
    private readonly BlockWeights _weights;
    private readonly StudentFactors _factors;
    private readonly FactorTable _table;
    private readonly SampleUpload _samples;
    private readonly AdamW _hostOptimizer, _deviceOptimizer = new([]);
    private readonly TrainingProgram _materialize, _forward, _backward;
    private readonly GpuBuffer _lossSums, _lossFactors, _step, _map, _mapGradient, _mapRows;
    private readonly float[] _sums, _factorsOfLoss, _rows;

    /// <summary>Prepares a block.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="products">Its products.</param>
    /// <param name="profiled">Told each operation and its microseconds, or null.</param>
    /// <param name="weights">The float block.</param>
    /// <param name="widths">Its grids.</param>
    /// <param name="options">Parts and rates.</param>
    /// <param name="statistics">Input statistics of the float block over the calibration set.</param>
    /// <param name="tokens">Tokens of every sequence.</param>
    /// <param name="rankOne">Whether this block carries a rank-1 compensation.</param>
    /// <param name="rows">Where a part of a sample lies in memory, or null.</param>
    public VulkanStudent(
        VulkanContext gpu, ITrainingProducts products, Action<string, double>? profiled, BlockWeights weights, BlockWidths widths, AbqOptions options, BlockStatistics statistics, int tokens, bool rankOne, Func<int, SamplePart, StoredRows?> rows)
    {
        (_gpu, _options, _layout, _tokens, _weights, _kernels) = (gpu, options, weights.Layout, tokens, weights, new TrainingKernels(gpu));
        long maps = options.ComparesAttention ? (long)tokens * tokens : 1;
        try
        {
            _table = new FactorTable(_kernels, weights);
            foreach (BlockSlot slot in _layout.Slots)
            {
                _linears.Add(slot, new TrainingDeviceLinear(gpu, weights[slot], widths, _table.Of(slot)));
            }

            _factors = new StudentFactors(_layout, norm => new NormTensors(weights[norm].Gain, weights[norm].Bias), slot => _linears[slot].ColumnMaxima(), options, statistics);
            _block = new TrainingDeviceBlock(gpu, products, _layout, tokens, widths.ActivationBits, widths.KeyValueBits, widths.ActivationGroupSize, backward: true);
            (_lossSums, _lossFactors, _step) = (_kernels.Allocate(2L * tokens * DistributionLoss.Sums), _kernels.Allocate(4L * tokens), _kernels.Allocate(3));
            (_map, _mapGradient, _mapRows) = (_kernels.Allocate(maps), _kernels.Allocate(maps), _kernels.Allocate(tokens));
            (_sums, _factorsOfLoss, _rows) = (new float[2 * tokens * DistributionLoss.Sums], new float[4 * tokens], new float[tokens]);
            _samples = new SampleUpload(gpu, _kernels, _layout.Hidden, tokens, _block.InputBuffer, options.BothTeachers, options.ComparesAttention, options.Attention == AttentionDivergence.Published, rows);
            (_materialize, _forward, _backward) = (new TrainingProgram(gpu, profiled), new TrainingProgram(gpu, profiled), new TrainingProgram(gpu, profiled));
            Start(widths, statistics, rankOne);
            _hostOptimizer = new AdamW([.. _factors.Parameters]);
            ulong gradient = _kernels.Allocate(_layout.Slots.Max(s => (long)_layout.SizeOf(s).Rows * _layout.SizeOf(s).Columns)).Address;
            AddPrograms(products, gradient);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Materialize()
    {
        _factors.Update();
        _table.Upload(_gpu, _factors);
        _materialize.Run();
    }

    /// <inheritdoc/>
    public double Loss(int sample, int? next, SampleReader read)
    {
        (float first, float second) = _samples.Bring(sample, next, read);
        _forward.Run();
        _gpu.Download<float>(_lossSums, _sums);
        int half = _sums.Length / 2;
        double loss = Compare(_sums.AsSpan(0, half), first, 0);
        if (_options.BothTeachers)
        {
            loss += Compare(_sums.AsSpan(half), second, 2);
        }

        _gpu.Upload<float>(_factorsOfLoss, _lossFactors);
        return loss + CompareAttention();
    }

    /// <inheritdoc/>
    public void Update(float factor)
    {
        (float first, float second) = _deviceOptimizer.Advance();
        _gpu.Upload<float>([factor, first, second], _step);
        _backward.Run();
        _table.Download(_gpu, _factors);
        _factors.Backward();
        _hostOptimizer.Step(factor);
    }

    /// <inheritdoc/>
    public TrainedLinear Fold(BlockSlot linear) => _linears[linear].Fold(_factors[linear], _table.ScaledBias(linear, _factors));

    /// <inheritdoc/>
    public NormTensors Norm(BlockNorm norm) => _factors.Norms[norm];

    /// <inheritdoc/>
    public void Dispose()
    {
        _samples?.Dispose();
        foreach (TrainingProgram? program in (TrainingProgram?[])[_materialize, _forward, _backward])
        {
            program?.Dispose();
        }

        _block?.Dispose();
        foreach (TrainingDeviceLinear linear in _linears.Values)
        {
            linear.Dispose();
        }

        _kernels.Dispose();
    }

    /// <summary>A layer as the CPU has it, for what is searched once in doubles.</summary>
    private StudentLinear OnHost(BlockSlot slot, BlockWidths widths)
    {
        LinearWeights linear = _weights[slot];
        return new StudentLinear(new LinearTensors(linear.OutputFeatures, linear.InputFeatures(), linear.ReadWeights(), null), widths, _factors[slot]);
    }

    private void Start(BlockWidths widths, BlockStatistics statistics, bool rankOne)
    {
        _factors.Update();
        _table.Upload(_gpu, _factors);
        foreach (BlockSlot slot in _layout.Slots)
        {
            TrainingDeviceLinear student = _linears[slot];
            if (_options.Clipping)
            {
                float[] importance = statistics.MeanSquare(slot), column = _factors[slot].Column;
                for (int k = 0; k < importance.Length; k++)
                {
                    importance[k] /= column[k] * column[k];
                }

                (float[] low, float[] high) = _options switch
                {
                    { SearchedGrids: true } => OnHost(slot, widths).SearchGrids(importance),
                    { ClippingSearch: true } => student.SearchClipping(importance),
                    _ => student.PublishedClipping(),
                };
                student.AddClipping(low, high, _options.ClippingRate);
            }

            if (rankOne && slot == BlockSlot.Down)
            {
                student.AddRankOne(_options.RankOneRate);
            }
        }

        if (_options.Compensation == WeightCompensation.Full)
        {
            using TrainingProgram once = new(_gpu, null);
            foreach (TrainingDeviceLinear linear in _linears.Values)
            {
                linear.Materialize(once);
            }

            _gpu.Wait(once.Run());
            foreach (TrainingDeviceLinear linear in _linears.Values)
            {
                linear.AddOffset(_options.OffsetRate);
            }
        }
    }

    private void AddPrograms(ITrainingProducts products, ulong gradient)
    {
        TrainingMatrix Linear(BlockSlot slot) => _linears[slot].Quantized;
        foreach (TrainingDeviceLinear linear in _linears.Values)
        {
            linear.Materialize(_materialize);
        }

        _block.Forward(_forward, Linear, _table.Of);
        TrainingLossSumsShader sums = new() { Workgroup = 256 };
        _forward.Add("loss", sums, new TrainingLossSumsPush(_block.Output, _samples.FloatTarget, _lossSums.Address, (uint)_layout.Hidden), _tokens);
        if (_options.BothTeachers)
        {
            _forward.Add("loss", sums, new TrainingLossSumsPush(_block.Output, _samples.QuantizedTarget, _lossSums.Address + (4ul * DistributionLoss.Sums * (ulong)_tokens), (uint)_layout.Hidden), _tokens);
        }

        if (_options.ComparesAttention)
        {
            _block.MeanAttention(_forward, _map.Address);
            if (_options.Attention == AttentionDivergence.PerRow)
            {
                TrainingAttentionLossPush push = new(_map.Address, _samples.Attention, _mapGradient.Address, _mapRows.Address, (uint)_tokens, _options.AttentionWeight / _tokens);
                _forward.Add("attention loss", new TrainingAttentionLossShader { Workgroup = 256 }, push, _tokens);
            }
        }

        TrainingKernels.Elements(
            _backward,
            "loss",
            new TrainingLossGradientShader { Workgroup = 256, Both = _options.BothTeachers },
            new TrainingLossGradientPush(_block.Output, _samples.FloatTarget, _samples.QuantizedTarget, _lossFactors.Address, _block.OutputGradient, (uint)_layout.Hidden),
            _tokens,
            _layout.Hidden);
        _block.Backward(
            _backward,
            Linear,
            _table.Of,
            _options.ComparesAttention ? _mapGradient.Address : 0,
            norm => _factors.Trains(norm) ? _table.GradientOf(norm) : default,
            (slot, upstream, x) => _linears[slot].Backward(_backward, products, upstream, x, _tokens, gradient, _step.Address, _factors.TrainsRows(slot), _factors.TrainsColumns(slot)));
    }

    private double Compare(ReadOnlySpan<float> sums, float meanSquare, int first)
    {
        float weight = _options.MseWeight;
        if (_options.RelativeMse)
        {
            weight /= MathF.Max(meanSquare, 1e-12f);
        }

        return DistributionLoss.Weigh(sums, _factorsOfLoss, first, 4, _layout.Hidden, weight, _options.CosineWeight);
    }

    private double CompareAttention()
    {
        if (!_options.ComparesAttention)
        {
            return 0;
        }

        if (_options.Attention == AttentionDivergence.Published)
        {
            // Inert, and in double: the host's.
            float[] student = new float[_tokens * _tokens], teacher = new float[student.Length], gradient = new float[student.Length];
            _gpu.Download<float>(_map, student);
            _samples.ReadAttention(teacher);
            double published = AttentionLoss.Compute(_options.Attention, student, teacher, gradient, _tokens, _options.AttentionWeight);
            _gpu.Upload<float>(gradient, _mapGradient);
            return published;
        }

        _gpu.Download<float>(_mapRows, _rows);
        double sum = 0;
        foreach (float row in _rows)
        {
            sum += row;
        }

        return _options.AttentionWeight * sum / _tokens;
    }
}
