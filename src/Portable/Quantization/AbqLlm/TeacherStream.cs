using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.AbqLlm;

namespace Portable.Quantization.AbqLlm;

/// <summary>
/// The float stream of a reconstruction and, for the block in work, what its samples hold: student inputs, both teachers'
/// outputs and the attention map. Everything lies in slots that spill to disk beyond the storage's budget.
/// </summary>
internal sealed class TeacherStream : IDisposable
{
    private readonly QuantizationContext _context;
    private readonly ITrainingDevice _device;
    private readonly StreamSlot[] _float, _input, _floatTarget, _quantizedTarget, _attention;
    private readonly int _tokens;
    private readonly float[] _x, _y, _map;
    private int _next;

    public TeacherStream(QuantizationContext context, ITrainingDevice device, bool attention)
    {
        (_context, _device) = (context, device);
        CalibrationSet calibration = context.Calibration!;
        _tokens = calibration.Context;
        int samples = calibration.Windows.Count, values = _tokens * context.Source.Config.HiddenSize;
        _x = new float[values];
        _y = new float[values];
        _map = new float[attention ? _tokens * (_tokens + 1) / 2 : 0];
        _float = Slots(samples, values);
        _input = Slots(samples, values);
        _floatTarget = Slots(samples, values);
        _quantizedTarget = Slots(samples, values);
        _attention = attention ? Slots(samples, _map.Length) : [];
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
    public BlockStatistics Prepare(int index, BlockWeights block, BlockStream quantized)
    {
        for (; _next < index; _next++)
        {
            using IBlockTeacher passed = _device.CreateTeacher(_context.Source.LoadBlock(_next), _tokens, false);
            foreach (StreamSlot slot in _float)
            {
                _context.Cancellation.ThrowIfCancellationRequested();
                Run(passed, slot, slot, false);
            }
        }

        using IBlockTeacher teacher = _device.CreateTeacher(block, _tokens, _map.Length > 0);
        for (int i = 0; i < _float.Length; i++)
        {
            _context.Cancellation.ThrowIfCancellationRequested();
            Run(teacher, _float[i], _floatTarget[i], true);
            _float[i].Write(0, _y);
            if (_map.Length > 0)
            {
                teacher.ReadAttention(_map);
                _attention[i].Write(0, _map);
            }

            _input[i].Write(0, quantized.Read(i));
            Run(teacher, _input[i], _quantizedTarget[i], false);
        }

        _next = index + 1;
        return teacher.ReadStatistics();
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

    private void Run(IBlockTeacher block, StreamSlot from, StreamSlot to, bool observed)
    {
        from.Read(0, _x);
        block.Forward(_x, _y, observed);
        to.Write(0, _y);
    }
}
