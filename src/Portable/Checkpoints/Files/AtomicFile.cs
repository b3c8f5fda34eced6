namespace Portable.Checkpoints.Files;

/// <summary>Files that are there whole or not at all: written beside under another name, flushed to the disk, then renamed.</summary>
internal static class AtomicFile
{
    /// <summary>Ending of a file that is still being written; one that is found is a leftover.</summary>
    public const string Unfinished = ".tmp";

    /// <summary>Writes a file.</summary>
    /// <param name="path">The file; replaced if it exists. A link is followed and stays one.</param>
    /// <param name="write">Writes its bytes.</param>
    /// <param name="complete">Given the finished file that is still beside, before it has its name; null for nothing.</param>
    public static void Write(string path, Action<Stream> write, Action<string>? complete = null)
    {
        // A rename would put a plain file in a device's place.
        if (Path.GetFullPath(path).StartsWith("/dev/", StringComparison.Ordinal) && File.Exists(path))
        {
            throw new CheckpointException(path, "a device, not a file");
        }

        path = FileLink.End(path);
        string beside = path + Unfinished;
        try
        {
            using (FileStream stream = new(beside, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 1 << 16))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            complete?.Invoke(beside);
            File.Move(beside, path, overwrite: true);
        }
        catch (DirectoryNotFoundException e)
        {
            // The system's message names the file beside, which nobody asked for.
            throw new CheckpointException(path, "cannot be written: its directory does not exist", inner: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be written: {e.Message}", inner: e);
        }
    }

    /// <summary>Writes a file that is in memory.</summary>
    public static void Write(string path, ReadOnlyMemory<byte> bytes) => Write(path, stream => stream.Write(bytes.Span));
}
