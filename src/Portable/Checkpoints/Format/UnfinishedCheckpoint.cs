using Portable.Checkpoints.Files;

namespace Portable.Checkpoints.Format;

/// <summary>A checkpoint whose quantization did not end, told to whoever opens it under its name or where its files gather.</summary>
internal static class UnfinishedCheckpoint
{
    /// <summary>Refuses a directory that is not finished, or whose name has only an unfinished one beside it.</summary>
    /// <param name="directory">What is to be opened; it need not exist.</param>
    /// <exception cref="CheckpointException">It is unfinished.</exception>
    public static void Refuse(string directory)
    {
        if (directory.Length == 0 || directory.Contains('\0', StringComparison.Ordinal))
        {
            return;
        }

        string name = Path.TrimEndingDirectorySeparator(Path.GetFullPath(directory));
        bool gathers = name.EndsWith(OutputDirectory.PartialEnding, StringComparison.Ordinal) && IsBegun(name);
        if (gathers || (!File.Exists(Path.Combine(directory, PortableFormat.ManifestName)) && IsBegun(FileLink.End(name) + OutputDirectory.PartialEnding)))
        {
            throw new CheckpointException(directory, "unfinished: its quantization was interrupted, or still runs; run the same quantization again, which goes on where it stopped");
        }
    }

    private static bool IsBegun(string partial) => File.Exists(Path.Combine(partial, OutputDirectory.RunName));
}
