using Portable.Checkpoints;
using Portable.Checkpoints.Files;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Checkpoints;

/// <summary>Checkpoints laid out as the Hugging Face cache lays them out: entries are links to blobs of other names.</summary>
public sealed class LinkTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("portable é links-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [SkippableFact]
    public void SizesAreThoseOfTheFilesBehindLinks()
    {
        Skip.If(OperatingSystem.IsWindows(), "Symbolic links need a privilege there.");
        using TinyCheckpoint checkpoint = new();
        string snapshot = Link(checkpoint.Directory, "float"), output = Path.Combine(_root, "quantized");
        long bytes = new FileInfo(checkpoint.WeightsFile).Length;
        QuantizationResult result = QuantizationRun.Run(new QuantizationRequest { Model = snapshot, Method = "rtn", Scheme = QuantizationScheme.Parse("W4A8"), Output = output });
        Assert.Equal(bytes, result.BytesBefore);
        Assert.Equal(Directory.EnumerateFiles(checkpoint.Directory).Sum(f => new FileInfo(f).Length), FileBytes(snapshot));

        string linked = Link(output, "linked");
        Assert.Equal(FileBytes(output), FileBytes(linked));
    }

    /// <summary>A link as the output stays one, also to a directory that is not there yet; files gather beside what it leads to.</summary>
    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void AnOutputThatIsALinkIsFollowed(bool exists)
    {
        Skip.If(OperatingSystem.IsWindows(), "Symbolic links need a privilege there.");
        using TinyCheckpoint checkpoint = new();
        string target = Path.Combine(_root, "disk", "target"), middle = Path.Combine(_root, "middle"), link = Path.Combine(_root, "link");
        Directory.CreateDirectory(exists ? target : Path.GetDirectoryName(target)!);
        Directory.CreateSymbolicLink(middle, Path.Combine("disk", "target"));
        Directory.CreateSymbolicLink(link, middle);
        foreach (string scheme in (string[])["W4A8", "W3A8"])
        {
            QuantizationRequest request = new() { Model = checkpoint.Directory, Method = "rtn", Scheme = QuantizationScheme.Parse(scheme), Output = link + "/", Overwrite = scheme == "W3A8" };
            List<string> beside = [];
            QuantizationRun.Run(request, new Watch(() => beside.AddRange(Directory.EnumerateDirectories(_root, "*.partial", SearchOption.AllDirectories))));
            Assert.Equal([target + ".partial"], beside.Distinct());
            Assert.Equal(middle, new FileInfo(link).LinkTarget);
            Assert.Equal(Path.Combine("disk", "target"), new FileInfo(middle).LinkTarget);
            Assert.Equal(["target"], Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(target)!).Select(Path.GetFileName));
            Assert.Contains(scheme, File.ReadAllText(Path.Combine(target, "manifest.json")), StringComparison.Ordinal);
        }
    }

    [SkippableFact]
    public void LinksInACircleAreRefusedByName()
    {
        Skip.If(OperatingSystem.IsWindows(), "Symbolic links need a privilege there.");
        using TinyCheckpoint checkpoint = new();
        string one = Path.Combine(_root, "one"), two = Path.Combine(_root, "two");
        Directory.CreateSymbolicLink(one, two);
        Directory.CreateSymbolicLink(two, one);
        CheckpointException e = Assert.Throws<CheckpointException>(() => QuantizationRun.Run(new QuantizationRequest { Model = checkpoint.Directory, Method = "rtn", Scheme = QuantizationScheme.Parse("W4A8"), Output = one }));
        Assert.StartsWith(one, e.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void AFileThatIsWrittenThroughALinkLeavesTheLink()
    {
        Skip.If(OperatingSystem.IsWindows(), "Symbolic links need a privilege there.");
        string target = Path.Combine(_root, "page.html"), link = Path.Combine(_root, "link.html");
        File.WriteAllText(target, "old");
        File.CreateSymbolicLink(link, "page.html");
        AtomicFile.Write(link, "new"u8.ToArray());
        Assert.Equal("page.html", new FileInfo(link).LinkTarget);
        Assert.Equal("new", File.ReadAllText(target));
    }

    private sealed class Watch(Action look) : IProgress<QuantizationProgress>
    {
        public void Report(QuantizationProgress value) => look();
    }

    private static long FileBytes(string directory) => ToolRun.Here("inspect", directory, "--json").Json().GetProperty("file_bytes").GetInt64();

    private string Link(string directory, string name)
    {
        DirectoryInfo blobs = Directory.CreateDirectory(Path.Combine(_root, name, "blobs")), snapshot = Directory.CreateDirectory(Path.Combine(_root, name, "snapshots", "main"));
        foreach ((int i, string file) in Directory.EnumerateFiles(directory).Index())
        {
            File.Copy(file, Path.Combine(blobs.FullName, $"{i:x8}"));
            File.CreateSymbolicLink(Path.Combine(snapshot.FullName, Path.GetFileName(file)), $"../../blobs/{i:x8}");
        }

        return snapshot.FullName;
    }
}
