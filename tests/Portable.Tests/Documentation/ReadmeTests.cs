using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.RegularExpressions;
using Portable.Cli;
using Portable.Cli.CommandLine;
using Portable.Cli.Verbs;
using Portable.Tests.Support;

namespace Portable.Tests.Documentation;

/// <summary>What the README tells people to type works.</summary>
public sealed partial class ReadmeTests
{
    private static readonly string Readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));

    [Fact]
    public void TheTestCommandIsWhatCiCalls()
    {
        Assert.Contains("```sh\ndotnet test -c Release\n```", Readme);
        Assert.Contains("    dotnet test -c Release ", File.ReadAllText(Path.Combine(Repository.Root, ".ci", "run")));
    }

    [Fact]
    public void TheDemoCommandNamesAProjectThatExists()
    {
        Assert.Contains("```sh\ndotnet run -c Release --project src/Portable.Cli\n```", Readme);
        Assert.True(File.Exists(Path.Combine(Repository.Root, "src", "Portable.Cli", "Portable.Cli.csproj")));
    }

    [Theory]
    [InlineData("`llama`")]
    [InlineData("`mistral`")]
    [InlineData("`qwen2`")]
    [InlineData("`opt`")]
    [InlineData("`PORTABLE_CACHE`")]
    [InlineData("`--threads N`")]
    public void ModelsThreadsAndTheCacheAreInTheReadme(string word) => Assert.Contains(word, Readme, StringComparison.Ordinal);

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/tool.md")]
    public void EveryCommandLineParses(string page)
    {
        string[] lines = [.. CommandLines().Matches(File.ReadAllText(Path.Combine(Repository.Root, page))).Select(m => m.Groups["line"].Value.Trim())];
        Assert.True(lines.Length >= 9, "the page shows the tool's verbs");
        Assert.All(lines, AssertParses);
    }

    [Fact]
    public void EveryExampleOfTheHelpPagesParses()
    {
        Example[] examples = [.. Commands(CommandTree.Create(CommandTree.CreateJsonOption(), CommandTree.CreateThreadsOption())).OfType<Verb>().SelectMany(v => v.Examples)];
        Assert.NotEmpty(examples);
        Assert.All(examples, e => AssertParses(e.CommandLine));
    }

    [Fact]
    public void TheReadmeIsShort() => Assert.InRange(Readme.Count(c => c == '\n'), 1, 150);

    /// <summary>The programs that the README shows are those of samples/, which are compiled with everything else, and short.</summary>
    [Theory]
    [InlineData("Generate")]
    [InlineData("Quantize")]
    [InlineData("Chat")]
    public void TheReadmeShowsTheSamples(string name)
    {
        string program = File.ReadAllText(Path.Combine(Repository.Root, "samples", name, "Program.cs")).ReplaceLineEndings("\n");
        Assert.Contains($"```csharp\n{program.TrimEnd()}\n```", Readme.ReplaceLineEndings("\n"), StringComparison.Ordinal);
        Assert.InRange(program.Split('\n').Count(l => l.Length > 0), 1, 15);
    }

    private static void AssertParses(string line)
    {
        string[] words = [.. CommandLineParser.SplitCommandLine(line)];
        Assert.Equal("portable", words[0]);
        ParseResult parsed = CommandTree.Create(CommandTree.CreateJsonOption(), CommandTree.CreateThreadsOption()).Parse(words[1..], CommandTree.Settings);
        Assert.True(parsed.Errors.Count == 0, $"{line}: {string.Join(' ', parsed.Errors)}");
    }

    private static IEnumerable<Command> Commands(Command root) => root.Subcommands.SelectMany(Commands).Prepend(root);

    [GeneratedRegex(@"^(?<line>portable [a-z][^#\n]*)", RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex CommandLines();
}
