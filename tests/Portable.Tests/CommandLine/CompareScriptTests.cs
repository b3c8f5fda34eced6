using System.Diagnostics;
using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

/// <summary>tests/compare-llama.cpp.py says in a line what it cannot do, before anything is measured.</summary>
public sealed class CompareScriptTests
{
    [SkippableTheory]
    [InlineData("no program /nope", "--llama-bench", "/nope")]
    [InlineData("/nope/usr/lib64/ld-linux-x86-64.so.2 is not there", "--llama-root", "/nope")]
    [InlineData("nothing like 'W3A8'", "--schemes", "W4A8,W3A8")]
    [InlineData("'0' is not a number from 1 on", "--pairs", "0")]
    [InlineData("'x' is not a number from 1 on", "--threads", "1,x")]
    [InlineData("--bogus", "--bogus")]
    public void WhatItCannotDoIsOneLine(string says, params string[] args)
    {
        (int code, string output, string error) = Run(args);
        Assert.Equal(2, code);
        Assert.Empty(output);
        Assert.Contains(says, Assert.Single(error.Split('\n', StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
    }

    [SkippableFact]
    public void HelpIsAnswered()
    {
        (int code, string output, string error) = Run("--help");
        Assert.Equal(0, code);
        Assert.Empty(error);
        Assert.Contains("--llama-root", output, StringComparison.Ordinal);
    }

    private static (int Code, string Output, string Error) Run(params string[] args)
    {
        string script = Path.Combine(Repository.Root, "tests", "compare-llama.cpp.py");
        Skip.IfNot((Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(p => File.Exists(Path.Combine(p, "python3"))), "there is no Python");
        using Process process = Process.Start(new ProcessStartInfo("python3", [script, .. args]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
