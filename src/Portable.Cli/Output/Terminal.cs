using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Portable.Cli.CommandLine;
using Spectre.Console;

namespace Portable.Cli.Output;

/// <summary>
/// Where a verb's words go: the result to the output stream, as JSON or for people; messages and progress to the error
/// stream, with bars only where that is a terminal.
/// </summary>
/// <param name="call">The streams of this command line.</param>
internal sealed class Terminal(Call call)
{
    private const int Width = 80, WideGap = 2;

    /// <summary>Whether the result is to be one JSON object.</summary>
    public bool Json => call.Json;

    /// <summary>Stream of the result.</summary>
    public TextWriter Output => call.Output;

    /// <summary>What is typed, or piped in.</summary>
    public TextReader Input => call.Input;

    /// <summary>Whether a person types it.</summary>
    public bool Typed => call.Typed;

    /// <summary>Whether the result goes to a terminal.</summary>
    public bool OnTerminal => call.Interactive && !Console.IsOutputRedirected;

    /// <summary>One line for the reader on the error stream.</summary>
    public void Message(string line) => call.Error.WriteLine(line);

    /// <summary>One line on something that the reader should know about the result.</summary>
    public void Warning(string line) => Message($"warning: {line}");

    /// <summary>Writes the result: the report as JSON, or what <paramref name="forPeople"/> writes.</summary>
    /// <param name="report">The report.</param>
    /// <param name="type">Its JSON shape.</param>
    /// <param name="forPeople">Prints the report for a reader.</param>
    public void Result<T>(T report, JsonTypeInfo<T> type, Action<T> forPeople)
    {
        if (Json)
        {
            call.Output.WriteLine(JsonSerializer.Serialize(report, type));
        }
        else
        {
            forPeople(report);
        }

        call.Output.Flush();
    }

    /// <summary>Shows what is known already, dimmed, where the result goes to a terminal; nowhere else.</summary>
    public void Dimmed(string text)
    {
        if (OnTerminal && !Json)
        {
            call.Output.Write($"\e[2m{text}\e[0m");
            call.Output.Flush();
        }
    }

    /// <summary>Prints a line of the result for people.</summary>
    public void Line(string text) => call.Output.WriteLine(text);

    /// <summary>Prints a table of the result for people: columns of numbers are right-aligned.</summary>
    /// <param name="headings">Column titles; a leading '&gt;' aligns the column to the right.</param>
    /// <param name="rows">Cells as text.</param>
    public void Table(IEnumerable<string> headings, IEnumerable<IEnumerable<string>> rows)
    {
        var table = new Table { Border = new RuledBorder(call.Unicode), ShowRowSeparators = false };
        string[] titles = [.. headings];
        string[][] cells = [.. rows.Select(r => r.ToArray())];
        int width = titles.Select((t, c) => cells.Select(r => r[c].Length).Append(t.TrimStart('>').Length).Max() + WideGap).Sum();
        foreach (string heading in titles)
        {
            bool right = heading.StartsWith('>');
            var column = new TableColumn(Markup.Escape(right ? heading[1..] : heading)) { NoWrap = !OnTerminal, Padding = new Padding(0, 0, width <= Width ? WideGap : 1, 0) };
            table.AddColumn(right ? column.RightAligned() : column);
        }

        foreach (string[] row in cells)
        {
            table.AddRow(row.Select(Markup.Escape).ToArray());
        }

        CreateConsole(call.Output, OnTerminal, call.Unicode).Write(table);
    }

    /// <summary>Prints words of the result for people, in lines of at most 80 characters.</summary>
    /// <param name="indent">Spaces before each line.</param>
    /// <param name="text">Words between spaces.</param>
    public void Paragraph(int indent, string text)
    {
        string line = "";
        foreach (string word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && indent + line.Length + 1 + word.Length > Width)
            {
                Line(new string(' ', indent) + line);
                line = "";
            }

            line = line.Length == 0 ? word : $"{line} {word}";
        }

        Line(new string(' ', indent) + line);
    }

    /// <summary>Runs work that reports its progress, under a bar where a terminal can show one.</summary>
    /// <param name="title">What is going on.</param>
    /// <param name="work">The work; it may report from any thread.</param>
    public T Track<T>(string title, Func<Tracker, T> work)
    {
        if (!call.Interactive)
        {
            return work(new Tracker(call.Error));
        }

        IAnsiConsole console = CreateConsole(call.Error, ansi: true, call.Unicode);
        return console.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context => work(new BarTracker(call.Error, console, context.AddTask(Markup.Escape(title), maxValue: 1))));
    }

    private static IAnsiConsole CreateConsole(TextWriter writer, bool ansi, bool unicode)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = ansi ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = ansi ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Out = new AnsiConsoleOutput(writer),
        });
        console.Profile.Capabilities.Unicode = unicode;
        if (!ansi)
        {
            // Not a terminal: nothing wraps there, so no cell is cut.
            console.Profile.Width = 4096;
        }

        return console;
    }
}
