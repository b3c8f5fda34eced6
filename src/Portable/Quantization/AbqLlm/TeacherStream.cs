using Portable.Calibration;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Quantization.AbqLlm;

/// <summary>
/// The float stream of a reconstruction and, for the block in work, what its samples hold: student inputs, both teachers'
/// outputs and the attention map. Everything lies in slots that spill to disk beyond the storage's budget.
/// </summary>
internal sealed class TeacherStream : IDisposable
{
    private readonly QuantizationContext _context;
    private TrainingBlock? _block;
    private BlockLayout? _layout;
    private readonly StreamSlot[] _float, _input, _floatTarget, _quantizedTarget, _attention;
    private readonly int _tokens;
    private readonly float[] _x, _y, _map;
    private int _next;

    public TeacherStream(QuantizationContext context, bool attention)
    {
        _context = context;
        CalibrationSet calibration = context.Calibration!;
        _tokens = calibration.Context;
        int samples = calibration.Windows.Count, values = _tokens * context.Source.Config.HiddenSize;
        _x = new float[values];
        _y = new float[values];
        _map = new float[attention ? _tokens * _tokens : 0];
        _float = Slots(samples, values);
        _input = Slots(samples, values);
        _floatTarget = Slots(samples, values);
        _quantizedTarget = Slots(samples, values);
        _attention = attention ? Slots(samples, _tokens * (_tokens + 1) / 2) : [];
        using BlockStream embedded = context.OpenStream(calibration.Windows, 32);
        for (int i = 0; i < samples; i++)
        {
            _float[i].Write(0, embedded.Read(i));
        }
    }

    /// <summary>Runs both teachers through a block and moves the float stream behind it.</summary>
    /// <param name="index">The block; earlier ones that this run has not seen (a resumed run) are passed through first.</param>
    /// <param name="block">Its float weights.</param>
    /// <param name="quantized">The quantized stream in front of the block.</param>
    /// <returns>Input statistics of the float block on the float stream.</returns>
    public BlockStatistics Prepare(int index, BlockTensors block, BlockStream quantized)
    {
        for (; _next < index; _next++)
        {
            BlockTensors passed = FloatBlocks.Read(_context.Source.LoadBlock(_next));
            for (int i = 0; i < _float.Length; i++)
            {
                Run(passed, _float[i], _float[i]);
            }
        }

        BlockStatistics statistics = new(block.Layout);
        for (int i = 0; i < _float.Length; i++)
        {
            _context.Cancellation.ThrowIfCancellationRequested();
            Run(block, _float[i], _floatTarget[i]);
            _float[i].Write(0, _y);
            statistics.Add(_block!, _tokens);
            if (_map.Length > 0)
            {
                _block!.MeanAttention(_map);
                for (int t = 0; t < _tokens; t++)
                {
                    _attention[i].Write(t * (t + 1) / 2, _map.AsSpan(t * _tokens, t + 1));
                }
            }

            _input[i].Write(0, quantized.Read(i));
            Run(block, _input[i], _quantizedTarget[i]);
        }

        _next = index + 1;
        return statistics;
    }

    /// <summary>Fills a sample of the block in work.</summary>
    public void Load(int index, BlockSample sample)
    {
        _input[index].Read(0, sample.Input);
        _floatTarget[index].Read(0, sample.FloatTarget);
        _quantizedTarget[index].Read(0, sample.QuantizedTarget);
        for (int t = 0; t < _tokens && _map.Length > 0; t++)
        {
            _attention[index].Read(t * (t + 1) / 2, sample.Attention.AsSpan(t * _tokens, t + 1));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (StreamSlot slot in (StreamSlot[])[.. _float, .. _input, .. _floatTarget, .. _quantizedTarget, .. _attention])
        {
            slot.Dispose();
        }
    }

    private StreamSlot[] Slots(int count, int values) => [.. Enumerable.Range(0, count).Select(_ => _context.Storage.Allocate(values))];

    private void Run(BlockTensors block, StreamSlot from, StreamSlot to)
    {
        if (_block is null || block.Layout != _layout)
        {
            _layout = block.Layout;
            _block = new TrainingBlock(_layout, _tokens, 16, 16, FloatBlocks.Rotary(_layout, _tokens));
        }

        from.Read(0, _x);
        _block.Forward(block, _x, _y, _tokens);
        to.Write(0, _y);
    }
}
