using System.Diagnostics;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Documentation;

/// <summary>A clone on Windows holds the bytes that the tests and the demo were measured on.</summary>
public sealed class LineEndingTests
{
    [SkippableFact]
    public void GitWritesEveryTextWithLineFeedsAndLeavesTheRestAlone()
    {
        string[] files = Git("ls-files");
        Dictionary<string, string> text = Attributes("text", files), ends = Attributes("eol", files);
        string[] binary = [".safetensors", ".spv", ".model", ".png"];
        foreach (string file in files)
        {
            if (binary.Contains(Path.GetExtension(file)))
            {
                Assert.True(text[file] == "unset", $"{file} is binary");
            }
            else
            {
                Assert.True(text[file] == "auto" && ends[file] == "lf", $"{file}: text {text[file]}, eol {ends[file]}");
            }
        }
    }

    private static Dictionary<string, string> Attributes(string name, string[] files) =>
        Git(["check-attr", name, "--", .. files]).Select(line => line.Split(": ")).ToDictionary(p => p[0], p => p[2]);

    private static string[] Git(params string[] args)
    {
        Skip.If(!Path.Exists(Path.Combine(Repository.Root, ".git")), "The sources are no git clone.");
        ProcessStartInfo start = new("git") { WorkingDirectory = Repository.Root, RedirectStandardOutput = true };
        foreach (string arg in (string[])["-c", "core.quotePath=false", .. args])
        {
            start.ArgumentList.Add(arg);
        }

        try
        {
            using Process git = Process.Start(start)!;
            string[] lines = git.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
            git.WaitForExit();
            Skip.If(git.ExitCode != 0, "git does not work here.");
            return lines;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new SkipException("git is not installed.");
        }
    }
}
