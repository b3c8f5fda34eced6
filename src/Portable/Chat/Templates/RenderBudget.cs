using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Portable.Chat.Templates;

/// <summary>What one rendering may use: a template comes from a stranger. Steps, characters and depth are counted, so that the same
/// template ends the same way on every machine; the clock is the last resort.</summary>
internal sealed class RenderBudget(CancellationToken cancellation = default)
{
    /// <summary>Nodes evaluated and items produced.</summary>
    public const int MaximumSteps = 1_000_000;

    /// <summary>Characters produced by all operations together, the output included.</summary>
    public const int MaximumCharacters = 16_000_000;

    /// <summary>Macros and recursive loops inside one another.</summary>
    public const int MaximumDepth = 200;

    private static readonly TimeSpan MaximumTime = TimeSpan.FromSeconds(10);

    private readonly long _start = Stopwatch.GetTimestamp();
    private int _steps, _characters, _depth;

    public void Step(int steps = 1)
    {
        _steps += steps;
        if (_steps > MaximumSteps || steps > MaximumSteps)
        {
            throw new TemplateException($"the template takes more than {MaximumSteps:N0} steps");
        }
        if ((_steps & 0x3FFF) < steps)
        {
            cancellation.ThrowIfCancellationRequested();
            if (Stopwatch.GetElapsedTime(_start) > MaximumTime)
            {
                throw new TemplateException($"the template takes more than {MaximumTime.TotalSeconds} seconds");
            }
        }
    }

    /// <summary>Counts characters before they are made.</summary>
    public void Characters(long count)
    {
        if (count > MaximumCharacters || (_characters += (int)count) > MaximumCharacters)
        {
            throw new TemplateException($"the template makes more than {MaximumCharacters:N0} characters");
        }
    }

    public void Enter()
    {
        if (++_depth > MaximumDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new TemplateException("the template calls itself too deeply");
        }
    }

    public void Leave() => _depth--;

    /// <summary>For recursion over expressions and values.</summary>
    public static void EnsureStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new TemplateException("the template is nested too deeply");
        }
    }
}
