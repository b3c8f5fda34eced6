namespace Portable.Checkpoints.Files;

/// <summary>Symbolic links to what is to be written: what they lead to is written, and they stay.</summary>
internal static class FileLink
{
    /// <summary>Where a path leads: itself, or the end of its chain of links, which need not exist.</summary>
    /// <exception cref="CheckpointException">Its links go in a circle, or cannot be read.</exception>
    public static string End(string path)
    {
        try
        {
            // The end of a link that leads nowhere is not found by the other overload of the chain.
            FileInfo link = new(path);
            return link.LinkTarget is not null && link.ResolveLinkTarget(returnFinalTarget: true) is { } end ? Path.TrimEndingDirectorySeparator(end.FullName) : path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be followed: {e.Message}", inner: e);
        }
    }

    /// <summary>Whether a directory is another or lies in it, by whatever links they are named.</summary>
    public static bool IsWithin(string directory, string other)
    {
        StringComparison comparison = OperatingSystem.IsLinux() ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase;
        return (Path.TrimEndingDirectorySeparator(Real(directory)) + Path.DirectorySeparatorChar).StartsWith(Path.TrimEndingDirectorySeparator(Real(other)) + Path.DirectorySeparatorChar, comparison);
    }

    // Without a link in any part of it.
    private static string Real(string path)
    {
        if (Path.GetDirectoryName(path) is not { } parent)
        {
            return path;
        }

        string plain = Path.Combine(Real(parent), Path.GetFileName(path)), end = End(plain);
        return end == plain ? plain : Real(end);
    }
}
