using System.Diagnostics;
using Xunit;

namespace Portable.Tests.CommandLine;

/// <summary>Ctrl-C in a process of its own.</summary>
public sealed class InterruptTests : IDisposable
{
    private readonly DirectoryInfo _work = Directory.CreateTempSubdirectory("portable-interrupt-");

    public void Dispose() => _work.Delete(recursive: true);

    [SkippableTheory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void AnInterruptedQuantizationSaysHowToGoOn(string signal, int code)
    {
        Skip.If(OperatingSystem.IsWindows(), "There are no such signals.");
        string demo = Path.Combine(AppContext.BaseDirectory, "demo");
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string arg in (string[])[Path.Combine(AppContext.BaseDirectory, "Portable.Cli.dll"), "quantize", Path.Combine(demo, "tiny-llama"), "--method", "abq", "--scheme", "W4A8",
            "--calibration", Path.Combine(demo, "calibration.txt"), "--samples", "8", "--context", "64", "--epochs", "1", "--output", Path.Combine(_work.FullName, "out")])
        {
            start.ArgumentList.Add(arg);
        }

        using Process tool = Process.Start(start)!;

        // A block is done, others are not.
        string? first = tool.StandardError.ReadLine();
        Assert.Contains("loss", first, StringComparison.Ordinal);
        // The shell's own: a small system has no program of that name.
        using (Process kill = Process.Start("sh", ["-c", $"kill -{signal} {tool.Id}"]))
        {
            kill.WaitForExit();
        }

        string rest = tool.StandardError.ReadToEnd();
        tool.WaitForExit();
        Skip.If(tool.ExitCode == 0, "The quantization was faster than the signal.");
        Assert.Equal(code, tool.ExitCode);
        Assert.EndsWith("error: interrupted; run the same command to go on\n", rest, StringComparison.Ordinal);
    }
}
