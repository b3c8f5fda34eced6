using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.AbqLlm;

namespace Portable.Quantization.AbqLlm;

/// <summary>
/// The float stream of a reconstruction and, for the block in work, what its samples hold beside the quantized stream: both teachers'
/// outputs and the attention map. Everything lies in slots that spill to disk beyond the storage's budget.
/// </summary>
internal sealed class TeacherStream : IDisposable
{
    private readonly QuantizationContext _context;
    private readonly ITrainingDevice _device;
    private readonly StreamSlot[] _float, _floatTarget, _quantizedTarget, _attention;
    private readonly int _tokens;
    private readonly bool _attends, _both;
    private BlockStream? _quantized;
    private int _next;

    public TeacherStream(QuantizationContext context, ITrainingDevice device, bool attention, bool both)
    {
        (_context, _device, _attends, _both) = (context, device, attention, both);
        CalibrationSet calibration = context.Calibration!;
        _tokens = calibration.Context;
        int samples = calibration.Windows.Count, values = _tokens * context.Source.Config.HiddenSize;
        _float = Slots(samples, values);
        _floatTarget = Slots(samples, values);
        _quantizedTarget = both ? Slots(samples, values) : [];
        _attention = attention ? Slots(samples, _tokens * (_tokens + 1) / 2) : [];
        using BlockStream embedded = context.OpenStream(calibration.Windows, 32);
        for (int i = 0; i < samples; i++)
        {
            _float[i].WriteWide(embedded.Read(i));
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
            passed.Run(_float.Length, (i, x) => _float[i].ReadWide(x), (i, y) => _float[i].WriteWide(y), null, new WindowRows(i => _float[i].Memory, i => [_float[i].Memory]), _context.Cancellation);
        }

        using IBlockTeacher teacher = _device.CreateTeacher(block, _tokens, _attends);
        teacher.Run(_float.Length, (i, x) => _float[i].ReadWide(x), KeepFloat, (i, map) => (_attends ? _attention[i] : null)?.WriteWide(map), new WindowRows(i => _float[i].Memory, i => [_floatTarget[i].Memory, _float[i].Memory]), _context.Cancellation);
        _quantized = quantized;
        if (_both)
        {
            teacher.Run(_float.Length, quantized.Read, (i, y) => _quantizedTarget[i].WriteWide(y), null, new WindowRows(quantized.MemoryOf, i => [_quantizedTarget[i].Memory]), _context.Cancellation);
        }

        _next = index + 1;
        return teacher.ReadStatistics();

        void KeepFloat(int window, ReadOnlySpan<float> y)
        {
            _floatTarget[window].WriteWide(y);
            _float[window].WriteWide(y);
        }
    }

    /// <summary>Where a part of a sample lies in memory, or null.</summary>
    public StoredRows? MemoryOf(int index, SamplePart part) => part switch
    {
        SamplePart.Input => _quantized!.MemoryOf(index),
        SamplePart.FloatTarget => _floatTarget[index].Memory,
        SamplePart.QuantizedTarget => _quantizedTarget[index].Memory,
        _ => _attention[index].Memory,
    };

    /// <summary>Reads a part of a sample of the block in work; the quantized stream still stands in front of it.</summary>
    public void Read(int index, SamplePart part, Span<float> values)
    {
        switch (part)
        {
            case SamplePart.Input: _quantized!.Read(index, values); break;
            case SamplePart.FloatTarget: _floatTarget[index].ReadWide(values); break;
            case SamplePart.QuantizedTarget: _quantizedTarget[index].ReadWide(values); break;
            default: _attention[index].ReadWide(values); break;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (StreamSlot slot in (StreamSlot[])[.. _float, .. _floatTarget, .. _quantizedTarget, .. _attention])
        {
            slot.Dispose();
        }
    }

    private StreamSlot[] Slots(int count, int values) => [.. Enumerable.Range(0, count).Select(_ => _context.Storage.Allocate(values))];
}
