using System.Text.RegularExpressions;
using Portable.Tests.Support;

namespace Portable.Tests.Documentation;

/// <summary>What the pages point at is there.</summary>
public sealed partial class LinkTests
{
    public static TheoryData<string> Pages =>
    [
        .. new[] { "docs", "shaders", "reference", "samples" }
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.md", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(Repository.Root, "*.md"))
            .Select(path => Path.GetRelativePath(Repository.Root, path).Replace('\\', '/'))
            .Where(path => !path.Split('/').Any(part => part is "bin" or "obj"))
            .Order(StringComparer.Ordinal),
    ];

    [Theory]
    [MemberData(nameof(Pages))]
    public void EveryLinkLeadsSomewhere(string page)
    {
        string folder = Path.GetDirectoryName(Path.Combine(Repository.Root, page))!;
        string[] dead =
        [
            .. Links().Matches(File.ReadAllText(Path.Combine(Repository.Root, page))).Select(m => m.Groups["target"].Value)
                .Where(target => !target.Contains("://", StringComparison.Ordinal) && !Path.Exists(Path.Combine(folder, target.Split('#')[0]))),
        ];
        Assert.True(dead.Length == 0, $"{page}: {string.Join(", ", dead)}");
    }

    /// <summary>A path of the repository that a page names in code is there. Measurements and changes speak of their day; X is what is being added.</summary>
    [Theory]
    [MemberData(nameof(Pages))]
    public void EveryPathLeadsSomewhere(string page)
    {
        if (page == "CHANGELOG.md" || page.StartsWith("docs/measurements/", StringComparison.Ordinal))
        {
            return;
        }

        string[] dead =
        [
            .. Paths().Matches(File.ReadAllText(Path.Combine(Repository.Root, page))).Select(m => m.Groups["path"].Value)
                .Where(path => !Added().IsMatch(path) && !Path.Exists(Path.Combine(Repository.Root, path))),
        ];
        Assert.True(dead.Length == 0, $"{page}: {string.Join(", ", dead)}");
    }

    /// <summary>A file that docs/adding.md names exists, unless its name has the X of what is being added.</summary>
    [Fact]
    public void TheListsOfAddingNameFilesThatThereAre()
    {
        string[] rows = [.. Rows().Matches(File.ReadAllText(Path.Combine(Repository.Root, "docs", "adding.md"))).Select(m => m.Groups["files"].Value)];
        Assert.True(rows.Length > 15, "the page has lists");
        foreach (string row in rows)
        {
            string? folder = null;
            foreach (string name in Names().Matches(row).Select(m => m.Groups["name"].Value))
            {
                string path = name.Contains('/') ? name : Path.Combine(folder!, name).Replace('\\', '/');
                folder = Path.GetDirectoryName(path)!;
                string what = Path.GetFileName(path).Contains('X') || Path.GetFileName(path).StartsWith("x.", StringComparison.Ordinal) ? folder : path;
                Assert.True(Path.Exists(Path.Combine(Repository.Root, what)), $"docs/adding.md names {path}");
            }
        }
    }

    /// <summary>The index of decisions has every page.</summary>
    [Fact]
    public void EveryDecisionIsInTheIndex()
    {
        string folder = Path.Combine(Repository.Root, "docs", "decisions"), index = File.ReadAllText(Path.Combine(folder, "README.md"));
        foreach (string page in Directory.EnumerateFiles(folder, "*.md").Select(Path.GetFileName).OfType<string>().Where(n => n != "README.md"))
        {
            Assert.Contains($"]({page})", index, StringComparison.Ordinal);
            string text = File.ReadAllText(Path.Combine(folder, page));
            Assert.All((string[])["**Constraint.**", "**Choice.**", "**Price.**"], part => Assert.Contains(part, text, StringComparison.Ordinal));
        }
    }

    /// <summary>The index of measurements has every page.</summary>
    [Fact]
    public void EveryMeasurementIsInTheIndex()
    {
        string folder = Path.Combine(Repository.Root, "docs", "measurements"), index = File.ReadAllText(Path.Combine(folder, "README.md"));
        Assert.All(Directory.EnumerateFiles(folder, "2*.md").Select(Path.GetFileName), page => Assert.Contains($"]({page})", index, StringComparison.Ordinal));
    }

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Links();

    [GeneratedRegex(@"`(?<path>(src|tests|reference|docs|shaders|samples|\.ci)/[\w./-]+)`", RegexOptions.ExplicitCapture)]
    private static partial Regex Paths();

    [GeneratedRegex(@"X[\w]*\.\w+$|/x\.\w+$")]
    private static partial Regex Added();

    [GeneratedRegex(@"^\| (?<files>`[^|]*) \|", RegexOptions.Multiline)]
    private static partial Regex Rows();

    [GeneratedRegex(@"`(?<name>[\w./-]+\.\w+)`")]
    private static partial Regex Names();
}
