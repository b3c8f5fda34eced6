using Portable.Checkpoints.Files;

namespace Portable.Tests.Checkpoints;

/// <summary>Whether a directory can be renamed is asked without a change.</summary>
public sealed class DirectoryRenameTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("portable-rename").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void ADirectoryThatCanBeRenamedStaysAsItIs()
    {
        (string directory, string beside) = (Made("a"), Made("b"));
        Assert.Null(DirectoryRename.Fault(directory, beside));
        Assert.Equal(["a", "b"], Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories).Select(f => File.ReadAllText(f)).Order(StringComparer.Ordinal));
        Assert.True(File.Exists(Path.Combine(directory, "file")));
    }

    /// <summary>An empty one would be replaced: it is not asked with.</summary>
    [Fact]
    public void NothingIsAskedWithAnEmptyDirectory()
    {
        string directory = Made("a"), empty = Directory.CreateDirectory(Path.Combine(_folder, "empty")).FullName;
        Assert.Null(DirectoryRename.Fault(directory, empty));
        Assert.True(Directory.Exists(directory) && !Directory.EnumerateFileSystemEntries(empty).Any());
    }

    [SkippableFact]
    public void AMountPointCannotBeRenamed()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "Paths of Linux.");
        Assert.NotEmpty(DirectoryRename.Fault("/proc", Made("b"))!);
    }

    private string Made(string name)
    {
        string directory = Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;
        File.WriteAllText(Path.Combine(directory, "file"), name);
        return directory;
    }
}
