using System.Globalization;

namespace Portable.Quantization.Runs;

/// <summary>
/// Says now and then how far a quantization is, how fast blocks are quantized and how long the rest will take: what a bar does not show where there is no
/// terminal. A short run is silent.
/// </summary>
/// <param name="layers">Blocks of the model.</param>
/// <param name="say">Told each line.</param>
/// <param name="clock">Tells the time.</param>
internal sealed class BlockPace(int layers, Action<string> say, TimeProvider clock)
{
    /// <summary>The least time before a finished block, or what was done before the blocks, is told.</summary>
    public static readonly TimeSpan BetweenBlocks = TimeSpan.FromSeconds(10);

    /// <summary>The least time before a step of a block is told: there are many, and they say less.</summary>
    public static readonly TimeSpan BetweenSteps = TimeSpan.FromMinutes(1);

    private readonly long _start = clock.GetTimestamp();
    private TimeSpan _said, _begun, _stageBegun;
    private TimeSpan? _first;
    private string? _stage;
    private int _done, _index;

    private TimeSpan Now => clock.GetElapsedTime(_start);

    /// <summary>Progress of what is done before the first block.</summary>
    /// <param name="stage">What it is.</param>
    /// <param name="done">Steps of it that are done.</param>
    /// <param name="steps">All of them.</param>
    public void Prepare(string stage, int done, int steps)
    {
        if (stage != _stage)
        {
            (_stage, _stageBegun) = (stage, Now);
        }

        if (done > 0 && done < steps && IsDue(BetweenBlocks))
        {
            say($"{stage}: {done} of {steps}, {TimeLeft.Text((Now - _stageBegun).TotalSeconds / done * (steps - done))} left");
        }
    }

    /// <summary>A block that was not there yet is begun.</summary>
    /// <param name="index">Index of the block.</param>
    public void Begin(int index)
    {
        (_index, _begun) = (index, Now);
        _first ??= Now;
    }

    /// <summary>A step of it is begun: told where the block takes long.</summary>
    /// <param name="what">The step.</param>
    public void Step(string what)
    {
        if (IsDue(BetweenSteps))
        {
            say($"block {_index + 1} of {layers}, {TimeLeft.Text((Now - _begun).TotalSeconds)} so far: {what}");
        }
    }

    /// <summary>It is done, and what enters the next one is known.</summary>
    /// <param name="index">Index of the block.</param>
    /// <param name="tokens">Calibration tokens that pass a block; 0 without calibration.</param>
    /// <param name="told">Whether the method has said as much itself.</param>
    public void End(int index, long tokens, bool told)
    {
        _done++;
        if (told)
        {
            _said = Now;
        }
        else if (index + 1 < layers && IsDue(BetweenBlocks))
        {
            say(Line(index, tokens, (Now - _first!.Value).TotalSeconds / _done));
        }
    }

    private bool IsDue(TimeSpan every)
    {
        bool due = Now - _said >= every;
        _said = due ? Now : _said;
        return due;
    }

    private string Line(int index, long tokens, double seconds)
    {
        string rate = tokens > 0 ? string.Create(CultureInfo.InvariantCulture, $"{tokens / seconds:N0} tokens/s, ") : "";
        return $"block {index + 1} of {layers}: {TimeLeft.Text(seconds)} a block, {rate}{TimeLeft.Text(seconds * (layers - index - 1))} left";
    }
}
