using System.Diagnostics;
using System.Text.Json;
using Portable.Cli;

namespace Portable.Tests.Support;

/// <summary>One call of the command-line tool: what it printed and its exit code.</summary>
/// <param name="Code">Exit code.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
public sealed record ToolRun(int Code, string Output, string Error)
{
    /// <summary>Lines of the error stream that hold something.</summary>
    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>Calls the tool in this process.</summary>
    public static ToolRun Here(params string[] args) => Here(CancellationToken.None, args);

    /// <summary>Calls the tool in this process, with a way to cancel it.</summary>
    public static ToolRun Here(CancellationToken cancellation, params string[] args) => Here(TextReader.Null, cancellation, args);

    /// <summary>Calls the tool in this process with lines on its standard input.</summary>
    public static ToolRun WithInput(string input, params string[] args)
    {
        using StringReader reader = new(input);
        return Here(reader, CancellationToken.None, args);
    }

    private static ToolRun Here(TextReader input, CancellationToken cancellation, string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        int code = Tool.Invoke(args, output, error, interactive: false, cancellation, input: input);
        return new ToolRun(code, output.ToString(), error.ToString());
    }

    /// <summary>Calls the tool in a process of its own.</summary>
    /// <param name="environment">NAME=VALUE settings.</param>
    /// <param name="args">Arguments.</param>
    public static ToolRun Process(IEnumerable<string> environment, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Portable.Cli.dll"));
        foreach (string arg in args)
        {
            start.ArgumentList.Add(arg);
        }

        foreach (string setting in environment)
        {
            string[] parts = setting.Split('=', 2);
            start.Environment[parts[0]] = parts[1];
        }

        using Process process = System.Diagnostics.Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new ToolRun(process.ExitCode, output, error.Result);
    }

    /// <summary>The one JSON object on standard output of a call that succeeded.</summary>
    public JsonElement Json()
    {
        Assert.True(Code == 0, $"exit {Code}: {Error}");
        using JsonDocument document = JsonDocument.Parse(Output);
        Assert.Equal(JsonValueKind.Object, document.RootElement.ValueKind);
        return document.RootElement.Clone();
    }
}
