using System.Text.Json;
using System.Text.Json.Nodes;
using Portable.Checkpoints.Files;

namespace Portable.Checkpoints.Format;

/// <summary>
/// A directory that appears under its name only when it is complete. Until then its files gather in NAME.partial, which says
/// in run.json what it is going to be, so that an interrupted run can go on and another one keeps its hands off.
/// </summary>
/// <remarks>A directory that is there already and empty is filled (<see cref="FilledDirectory"/>). Every step is a rename, so that a kill at any moment leaves a state from which the same command goes on.</remarks>
internal sealed class OutputDirectory : IDisposable
{
    /// <summary>What the name of the directory where the files gather ends in.</summary>
    public const string PartialEnding = ".partial";

    /// <summary>The file that says what is being made.</summary>
    public const string RunName = "run.json";

    private const string StateName = "state";

    private readonly byte[] _identity;
    private FileStream? _lock;

    private OutputDirectory(string target, byte[] identity) => (Target, _identity) = (target, identity);

    /// <summary>The name under which it appears.</summary>
    public string Target { get; }

    /// <summary>Where its files are until then.</summary>
    public string Partial => Target + PartialEnding;

    private string Replaced => Target + ".replaced";

    private string StateDirectory => Path.Combine(Partial, StateName);

    /// <summary>Starts or resumes.</summary>
    /// <param name="directory">The target; a link is followed and stays one.</param>
    /// <param name="identity">What is going to be made; compared with what an unfinished run was making.</param>
    /// <param name="overwrite">Replace a finished checkpoint, and discard an unfinished one of another command.</param>
    public static OutputDirectory Open(string directory, JsonObject identity, bool overwrite)
    {
        OutputDirectory output = new(FileLink.End(Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory))), PortableFormat.ToBytes(identity));
        try
        {
            output.CheckTarget(overwrite);
            output.Start(overwrite);
            return output;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            output.Dispose();
            throw new CheckpointException(output.Target, $"cannot be written: {output.Obstacle(e)}", inner: e);
        }
        catch
        {
            output.Dispose();
            throw;
        }
    }

    /// <summary>Path of a file while the directory is unfinished.</summary>
    public string PathOf(string name) => Path.Combine(Partial, name);

    /// <summary>Names of all files that gather, with '/', but for what <see cref="Complete"/> leaves out.</summary>
    public IEnumerable<string> Files() => Directory.EnumerateFiles(Partial, "*", SearchOption.AllDirectories)
        .Select(f => Path.GetRelativePath(Partial, f).Replace(Path.DirectorySeparatorChar, '/'))
        .Where(n => n != RunName && !n.StartsWith(StateName + "/", StringComparison.Ordinal) && !n.EndsWith(AtomicFile.Unfinished, StringComparison.Ordinal));

    /// <summary>What an interrupted run kept under a name, or null.</summary>
    public byte[]? TryReadState(string name)
    {
        string path = Path.Combine(StateDirectory, name);
        return File.Exists(path) ? FileBytes.Read(path, int.MaxValue) : null;
    }

    /// <summary>Keeps something for a resumed run.</summary>
    public void WriteState(string name, ReadOnlyMemory<byte> bytes)
    {
        Directory.CreateDirectory(StateDirectory);
        AtomicFile.Write(Path.Combine(StateDirectory, name), bytes);
    }

    /// <summary>Removes what is not part of the result and lets the directory appear.</summary>
    public void Complete()
    {
        try
        {
            if (Directory.Exists(StateDirectory))
            {
                Directory.Delete(StateDirectory, recursive: true);
            }

            foreach (string leftover in Directory.EnumerateFiles(Partial, "*" + AtomicFile.Unfinished, SearchOption.AllDirectories).ToArray())
            {
                File.Delete(leftover);
            }

            if (Directory.Exists(Target) && !IsFinished(Target))
            {
                FilledDirectory.Fill(Partial, Target, RunName);
                Dispose();
                Remove(Partial);
                return;
            }

            Dispose();
            File.Delete(PathOf(RunName));
            if (Directory.Exists(Target))
            {
                Remove(Replaced);
                Directory.Move(Target, Replaced);
            }

            Directory.Move(Partial, Target);
            Remove(Replaced);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(Target, $"cannot be completed: {e.Message}", inner: e);
        }
    }

    /// <summary>Removes the unfinished directory: its run failed for good.</summary>
    public void Discard()
    {
        Dispose();
        Remove(Partial);
    }

    /// <summary>Lets go of the directory; unfinished, it can be resumed.</summary>
    public void Dispose()
    {
        _lock?.Dispose();
        _lock = null;
    }

    private static void Remove(string directory)
    {
        if (Directory.Exists(directory))
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private void CheckTarget(bool overwrite)
    {
        if (File.Exists(Target))
        {
            throw new CheckpointException(Target, "is a file; a checkpoint is a directory");
        }

        if (!Directory.Exists(Target) || !Directory.EnumerateFileSystemEntries(Target).Any())
        {
            return;
        }

        if (!IsFinished(Target))
        {
            if (FilledDirectory.IsBegun(Partial, Target))
            {
                return;
            }

            // Never replaced, whatever was asked for: these files are somebody's.
            throw new CheckpointException(Target, "the directory is not empty and holds no quantized checkpoint");
        }

        if (!overwrite)
        {
            throw new CheckpointException(Target, "holds a finished checkpoint already (overwrite replaces it)");
        }

        // A rename would take it from whoever stands in it, this process's shell too.
        if (HoldsWorkingDirectory())
        {
            throw new CheckpointException(Target, "holds a finished checkpoint, and cannot be replaced while it is the working directory or holds it; start from another one");
        }
    }

    /// <summary>What is in the way, in words: the system names the directory beside, which nobody asked for, and seldom the cause.</summary>
    private string Obstacle(Exception e)
    {
        if (Path.Exists(Partial))
        {
            return e.Message;
        }

        string? above = Path.GetDirectoryName(Target);
        while (above is not null && !Path.Exists(above))
        {
            above = Path.GetDirectoryName(above);
        }

        return File.Exists(above) ? $"{above} is a file"
            : e is UnauthorizedAccessException ? $"this user may make no directory in {above}"
            : e is FileNotFoundException or DirectoryNotFoundException ? $"no directory can be made in {above}"
            : $"no directory can be made in {above}: {e.Message}";
    }

    private bool HoldsWorkingDirectory()
    {
        try
        {
            return FileLink.IsWithin(Directory.GetCurrentDirectory(), Target);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // It is gone.
        }
    }

    private static bool IsFinished(string directory) => File.Exists(Path.Combine(directory, PortableFormat.ManifestName));

    private void Withdraw()
    {
        if (Directory.Exists(Target) && !IsFinished(Target))
        {
            FilledDirectory.Withdraw(Partial, Target);
        }
    }

    private void Start(bool overwrite)
    {
        if (Directory.Exists(Partial) && OtherRun() is { } other)
        {
            if (!overwrite)
            {
                throw new CheckpointException(Partial, $"holds an unfinished checkpoint {other}, or overwrite it");
            }

            TakeLock(); // Not while that other command is at work.
            Withdraw();
            Discard();
        }

        bool begun = Directory.Exists(Partial);
        Directory.CreateDirectory(Partial);
        if (!File.Exists(PathOf(RunName)))
        {
            AtomicFile.Write(PathOf(RunName), _identity);
        }

        TakeLock();
        if (IsFinished(Target) && DirectoryRename.Fault(Target, Partial) is { } fault)
        {
            if (!begun)
            {
                Discard();
            }

            throw new CheckpointException(Target, $"holds a finished checkpoint, and cannot be replaced, for it cannot be renamed, as a mount point cannot ({fault}); empty it, for an empty directory is filled in place, or write to another");
        }

        Withdraw();
    }

    /// <summary>Why what is in this directory is not this run's, and what to do, in words between "an unfinished checkpoint" and "or overwrite it"; null where it is this run's.</summary>
    private string? OtherRun()
    {
        string run = PathOf(RunName), manifest = PathOf(PortableFormat.ManifestName);
        byte[] begun;
        if (File.Exists(run))
        {
            begun = ReadShared(run);
        }
        else if (File.Exists(manifest))
        {
            // Killed between the last steps: run.json is gone, and the manifest says the same.
            if (Parse(ReadShared(manifest)) is not { } whole)
            {
                return Damaged(PortableFormat.ManifestName);
            }

            begun = PortableFormat.ToBytes(new JsonObject(JsonNode.Parse(_identity)!.AsObject().Select(e => KeyValuePair.Create(e.Key, whole[e.Key]?.DeepClone()))));
        }
        else
        {
            // Killed before run.json was there: nothing was written yet.
            return Directory.EnumerateFileSystemEntries(Partial).Any(e => !e.EndsWith(AtomicFile.Unfinished, StringComparison.Ordinal)) ? Another("") : null;
        }

        return begun.AsSpan().SequenceEqual(_identity) ? null
            : Parse(begun) is null ? Damaged(RunName)
            : Another(RunDifference.Describe(begun, _identity));

        static string Another(string otherwise) => $"that another command began{otherwise}; run that command again, remove it";

        // Not even the command that began it would be known again.
        static string Damaged(string name) => $"whose {name} is damaged, so that nothing says which command began it; remove it";
    }

    /// <summary>The object that a run wrote, or null where bytes are not, or no longer, one.</summary>
    private static JsonObject? Parse(byte[] bytes)
    {
        try
        {
            return JsonNode.Parse(bytes) is JsonObject whole && whole.ContainsKey("format") ? whole : null;
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            return null; // A key that is there twice is an argument's fault there.
        }
    }

    private byte[] ReadShared(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (IOException e)
        {
            throw new CheckpointException(Partial, "another run is writing here", inner: e);
        }
    }

    private void TakeLock()
    {
        string path = PathOf(RunName);
        if (_lock is not null || !File.Exists(path))
        {
            return;
        }

        try
        {
            _lock = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw new CheckpointException(Partial, "another run is writing here", inner: e);
        }
    }
}
