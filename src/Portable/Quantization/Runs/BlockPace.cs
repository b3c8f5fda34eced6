using System.Diagnostics;
using System.Globalization;

namespace Portable.Quantization.Runs;

/// <summary>Says now and then how fast blocks are quantized and how long the rest will take: what a bar does not show where there is no terminal.</summary>
/// <param name="layers">Blocks of the model.</param>
/// <param name="tokens">Calibration tokens that pass a block; 0 without calibration.</param>
/// <param name="every">The least time between two lines.</param>
/// <param name="say">Told each line.</param>
internal sealed class BlockPace(int layers, long tokens, TimeSpan every, Action<string> say)
{
    private readonly Stopwatch _all = new();
    private TimeSpan _said, _begun;
    private int _done, _index;

    /// <summary>A block that was not there yet is begun.</summary>
    /// <param name="index">Index of the block.</param>
    public void Begin(int index)
    {
        _index = index;
        _begun = _all.Elapsed;
        _all.Start();
    }

    /// <summary>A step of it is begun: told where the block takes long.</summary>
    /// <param name="what">The step.</param>
    public void Step(string what)
    {
        if (_all.Elapsed - _said >= every)
        {
            _said = _all.Elapsed;
            say($"block {_index + 1} of {layers}, {TimeLeft.Text((_all.Elapsed - _begun).TotalSeconds)} so far: {what}");
        }
    }

    /// <summary>It is done, and what enters the next one is known.</summary>
    /// <param name="index">Index of the block.</param>
    /// <param name="told">Whether the method has said as much itself.</param>
    public void End(int index, bool told)
    {
        _done++;
        if (!told && index + 1 < layers && _all.Elapsed - _said >= every)
        {
            _said = _all.Elapsed;
            say(Line(index, _all.Elapsed.TotalSeconds / _done));
        }
    }

    private string Line(int index, double seconds)
    {
        string rate = tokens > 0 ? string.Create(CultureInfo.InvariantCulture, $"{tokens / seconds:N0} tokens/s, ") : "";
        return $"block {index + 1} of {layers}: {TimeLeft.Text(seconds)} a block, {rate}{TimeLeft.Text(seconds * (layers - index - 1))} left";
    }
}
