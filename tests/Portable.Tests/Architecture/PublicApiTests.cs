using System.Reflection;
using Portable.Tests.Support;

namespace Portable.Tests.Architecture;

/// <summary>
/// The public surface is what the files beside this one say (Api/PACKAGE.txt). To approve a change, run these tests with
/// <c>PORTABLE_APPROVE_API=1</c>: the files are then written, and the change is part of the commit.
/// </summary>
public sealed class PublicApiTests
{
    private const int MostTypes = 90;
    private static readonly string[] Packages = ["Portable.Reference", "Portable", "Portable.Vulkan", "Portable.Extensions.AI", "Portable.Server", "Portable.Cli"];

    public static TheoryData<string> All => [.. Packages];

    [Theory]
    [MemberData(nameof(All))]
    public void TheSurfaceIsTheApprovedOne(string package)
    {
        string file = Path.Combine(Repository.Root, "tests", "Portable.Tests", "Architecture", "Api", package + ".txt");
        string[] actual = PublicApi.Of(Assembly.Load(package));
        if (Environment.GetEnvironmentVariable("PORTABLE_APPROVE_API") == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, string.Concat(actual.Select(l => l + "\n")));
        }

        string[] approved = File.Exists(file) ? File.ReadAllLines(file) : [];
        string[] difference = [.. Qualified(approved).Except(Qualified(actual)).Select(l => "- " + l), .. Qualified(actual).Except(Qualified(approved)).Select(l => "+ " + l)];
        Assert.True(difference.Length == 0, $"The public surface of {package} is not the approved one (PORTABLE_APPROVE_API=1 approves it):\n{string.Join('\n', difference)}");
    }

    [Fact]
    public void ThePackagesTogetherShowFewTypes() => Assert.InRange(Packages.Sum(p => PublicApi.Types(Assembly.Load(p)).Length), 1, MostTypes);

    /// <summary>Members with the type that they belong to, so that a line means the same wherever it stands.</summary>
    private static IEnumerable<string> Qualified(string[] lines)
    {
        string type = "";
        foreach (string line in lines)
        {
            type = line.StartsWith(' ') ? type : line;
            yield return line.StartsWith(' ') ? $"{type} | {line.Trim()}" : line;
        }
    }
}
