using System.Diagnostics;
using System.Globalization;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.CommandLine;

/// <summary>Ctrl-C in a process of its own.</summary>
public sealed class InterruptTests : IDisposable
{
    private readonly DirectoryInfo _work = Directory.CreateTempSubdirectory("portable-interrupt-");

    public void Dispose() => _work.Delete(recursive: true);

    /// <summary>What waits for another program, which does not come, waits no longer: for a line of a conversation, or for somebody who reads.</summary>
    [SkippableTheory]
    [InlineData("INT", 130, false)]
    [InlineData("TERM", 143, false)]
    [InlineData("INT", 130, true)]
    [InlineData("TERM", 143, true)]
    public async Task ASignalEndsWaitingForAReaderOrAWriter(string signal, int code, bool writes)
    {
        Skip.If(OperatingSystem.IsWindows(), "There are no such signals.");
        Skip.If(signal == "INT" && IsInterruptIgnored(), "A shell that starts something behind itself has it ignore Ctrl-C, and so do the programs that it starts.");
        string demo = Path.Combine(AppContext.BaseDirectory, "demo"), model = Path.Combine(_work.FullName, "model");
        Directory.CreateDirectory(model);
        foreach (string file in Directory.EnumerateFiles(Path.Combine(demo, "tiny-llama")).Append(Path.Combine(Repository.Root, "tests", "clients", "chat_template.jinja")))
        {
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        }

        // Far more than a pipe holds.
        string text = Path.Combine(_work.FullName, "text");
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("the little house by the sea ", 20_000)));
        ProcessStartInfo start = new("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (string arg in (string[])[Path.Combine(AppContext.BaseDirectory, "Portable.Cli.dll"), .. writes ? (string[])["tokenize", model, "--file", text, "--json"] : ["chat", model, "--tokens", "3"]])
        {
            start.ArgumentList.Add(arg);
        }

        using Process tool = Process.Start(start)!;
        if (!writes)
        {
            await tool.StandardInput.WriteLineAsync("Hello");
            await tool.StandardInput.FlushAsync();
        }

        // It answers, or has begun to write, and waits; what it is given stays open.
        Assert.NotEqual(0, await tool.StandardOutput.BaseStream.ReadAsync(new byte[1]));
        using (Process kill = Process.Start("sh", ["-c", $"kill -{signal} {tool.Id}"]))
        {
            await kill.WaitForExitAsync();
        }

        using CancellationTokenSource patience = new(TimeSpan.FromMinutes(1));
        await tool.WaitForExitAsync(patience.Token);
        Assert.Equal(code, tool.ExitCode);
        Assert.EndsWith("error: interrupted\n", await tool.StandardError.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void AnInterruptedQuantizationSaysHowToGoOn(string signal, int code)
    {
        Skip.If(OperatingSystem.IsWindows(), "There are no such signals.");
        Skip.If(signal == "INT" && IsInterruptIgnored(), "A shell that starts something behind itself has it ignore Ctrl-C, and so do the programs that it starts.");
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

    // Of this process, and so of those that it starts.
    private static bool IsInterruptIgnored()
    {
        const string Field = "SigIgn:", Status = "/proc/self/status";
        const int Interrupt = 2;
        string? mask = File.Exists(Status) ? File.ReadLines(Status).FirstOrDefault(l => l.StartsWith(Field, StringComparison.Ordinal))?[Field.Length..] : null;
        return mask is not null && (ulong.Parse(mask.Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> (Interrupt - 1) & 1) != 0;
    }
}
