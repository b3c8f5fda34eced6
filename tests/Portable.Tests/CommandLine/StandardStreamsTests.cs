using System.Diagnostics;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.CommandLine;

/// <summary>Standard streams that are closed, full or hold no text: messages that cannot be written stop nothing.</summary>
public sealed class StandardStreamsTests
{
    [SkippableTheory]
    [InlineData("generate MODEL --prompt a --tokens 3 2>&-", 0)]
    [InlineData("generate MODEL --prompt a --tokens 3 2>/dev/full", 0)]
    [InlineData("generate MODEL --prompt a --seed 7 --tokens 3 2>/dev/full", 0)]
    [InlineData("inspect nosuch 2>&-", 1)]
    [InlineData("inspect nosuch 2>/dev/full", 1)]
    [InlineData("inspect MODEL --no-such-option 2>&-", 2)]
    public void AMessageThatCannotBeWrittenChangesNoExitCode(string line, int code)
    {
        Assert.Equal(code, Shell(line).Code);
    }

    [SkippableFact]
    public void ACheckpointIsMadeWhereTheErrorStreamIsClosedAndIsTheSame()
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("portable-streams");
        Assert.Equal(0, Shell($"quantize MODEL --method rtn --scheme W4A8 --output {directory.FullName}/closed 2>&-").Code);
        Assert.Equal(0, ToolRun.Here("quantize", DemoModel.Directory, "--method", "rtn", "--scheme", "W4A8", "--output", $"{directory.FullName}/open").Code);
        string[] names = [.. Directory.EnumerateFiles($"{directory.FullName}/open").Select(f => Path.GetFileName(f)).Order()];
        Assert.Equal(names, Directory.EnumerateFiles($"{directory.FullName}/closed").Select(f => Path.GetFileName(f)).Order());
        Assert.All(names, n => Assert.Equal(File.ReadAllBytes($"{directory.FullName}/open/{n}"), File.ReadAllBytes($"{directory.FullName}/closed/{n}")));
        directory.Delete(recursive: true);
    }

    [SkippableFact]
    public void WhereTheWorkingDirectoryIsNoUtf8NothingIsWrittenBesideIt()
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("portable-names");
        ToolRun run = Shell("quantize MODEL --method rtn --scheme W4A8 --output o", $"cd {directory.FullName} && mkdir \"$(printf 'n\\377')\" && cd \"$(printf 'n\\377')\" && ");
        Assert.Equal(2, run.Code);
        Assert.Contains("the working directory's name is not UTF-8", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
        Assert.Single(directory.GetFileSystemInfos());
        Shell("devices", $"rm -r {directory.FullName}; ");
    }

    [SkippableTheory]
    [InlineData("generate MODEL --prompt-file - --tokens 3")]
    [InlineData("render MODEL --messages -")]
    public void WhatIsPipedInAndIsNoUtf8IsRefused(string line)
    {
        ToolRun run = Shell(line, "printf 'a\\377b' | ");
        Assert.Equal((1, "error: standard input: not UTF-8"), (run.Code, run.Error.Trim()));
    }

    [SkippableTheory]
    [InlineData("generate MODEL --prompt-file - --tokens 3 <&-", "error: standard input is closed")]
    [InlineData("perplexity MODEL --text - <&-", "error: standard input is closed")]
    [InlineData("render MODEL --messages - <&-", "error: standard input is closed")]
    [InlineData("inspect MODEL >&-", "error: standard output is closed")]
    [InlineData("inspect MODEL --json <&- >&-", "error: standard output is closed")]
    [InlineData("inspect MODEL --json >/dev/full", "error: standard output: No space left on device")]
    public void AStreamThatIsClosedOrFullIsNamed(string line, string said)
    {
        ToolRun run = Shell(line);
        Assert.Equal((1, said), (run.Code, run.Error.Trim()));
    }

    [SkippableFact]
    public void AConversationWhoseInputIsClosedIsOver()
    {
        DirectoryInfo model = Directory.CreateTempSubdirectory("portable-chat");
        string copy = $"cp '{DemoModel.Directory}'/* '{Repository.Root}/tests/clients/chat_template.jinja' {model.FullName} && ";
        ToolRun run = Shell($"chat {model.FullName} <&-", copy);
        Assert.Equal((0, ""), (run.Code, run.Output));
        model.Delete(recursive: true);
    }

    [SkippableTheory]
    [InlineData("generate MODEL --prompt hi --tokens 1000 --ignore-eos; echo $? >&2; } | head -c 10", "")]
    [InlineData("generate MODEL --prompt hi --tokens 3 --json; echo $? >&2; } | true", "sleep 1; ")]
    [InlineData("help; echo $? >&2; } | true", "sleep 1; ")]
    public void WhereTheReaderHasLeftTheWorkEndsQuietly(string line, string first)
    {
        // What the text of 1,000 tokens would end with is not said: how many there were.
        Assert.Equal("141", Shell(line, "{ " + first).Error.Trim());
    }

    private static ToolRun Shell(string line, string before = "")
    {
        Skip.If(!OperatingSystem.IsLinux(), "A shell that closes streams, and names that are no UTF-8.");
        string tool = $"dotnet '{Path.Combine(AppContext.BaseDirectory, "Portable.Cli.dll")}' ";
        ProcessStartInfo start = new("sh", ["-c", before + tool + line.Replace("MODEL", $"'{DemoModel.Directory}'", StringComparison.Ordinal)]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return new ToolRun(process.ExitCode, output, error.Result);
    }
}
