using Spectre.Console;

namespace Portable.Cli.Output;

/// <summary>Takes the progress of long work; this one, for an error stream that is no terminal, passes on messages alone.</summary>
/// <param name="error">The error stream.</param>
internal class Tracker(TextWriter error) : IProgress<double>
{
    /// <summary>Takes the fraction that is done, 0 … 1.</summary>
    public virtual void Report(double value)
    {
    }

    /// <summary>Takes a new step of the work, which starts at 0.</summary>
    public virtual void Start(string title)
    {
    }

    /// <summary>Shows one line.</summary>
    public virtual void Say(string line) => error.WriteLine(line);
}

/// <summary>Shows a bar on a terminal, with messages above it.</summary>
/// <param name="error">The error stream.</param>
/// <param name="console">The terminal at its end.</param>
/// <param name="bar">The bar.</param>
internal sealed class BarTracker(TextWriter error, IAnsiConsole console, ProgressTask bar) : Tracker(error)
{
    public override void Report(double value) => bar.Value = value;

    public override void Start(string title)
    {
        if (bar.Description != Markup.Escape(title))
        {
            bar.Description = Markup.Escape(title);
            bar.Value = 0;
        }
    }

    public override void Say(string line) => console.WriteLine(line);
}
