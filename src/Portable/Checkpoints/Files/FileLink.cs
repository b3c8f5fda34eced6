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
}
