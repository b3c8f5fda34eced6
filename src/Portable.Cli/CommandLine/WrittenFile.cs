namespace Portable.Cli.CommandLine;

/// <summary>Files that a verb writes when its work is done.</summary>
internal static class WrittenFile
{
    /// <summary>Says before the work, not behind it, that a file has no place to go.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="IOException">It is a directory, is write-protected, or cannot be made where it is to be.</exception>
    public static void Require(string file)
    {
        if (Directory.Exists(file))
        {
            throw new IOException($"{file}: a directory, not a file to write");
        }

        if (File.Exists(file))
        {
            // Not opened: a pipe would wait for its reader.
            if (File.GetAttributes(file).HasFlag(FileAttributes.ReadOnly))
            {
                throw new IOException($"{file}: cannot be written: it is write-protected");
            }

            return;
        }

        try
        {
            File.OpenHandle($"{file}.{Guid.NewGuid():N}", FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.DeleteOnClose).Dispose();
        }
        catch (DirectoryNotFoundException e)
        {
            string? above = Path.GetDirectoryName(Path.GetFullPath(file));
            throw new IOException($"{file}: cannot be written: {(File.Exists(above) ? $"{above} is a file" : "its directory does not exist")}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The system's message names the file beside, which nobody asked for.
            throw new IOException($"{file}: cannot be written: {(e is UnauthorizedAccessException ? "its directory takes no files from this user" : "its directory takes no files")}", e);
        }
    }
}
