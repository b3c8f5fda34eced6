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
