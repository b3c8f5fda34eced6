namespace Portable.Checkpoints.Files;

/// <summary>What a clone without Git LFS holds in place of large files: a few lines of text that say where they are.</summary>
internal static class LargeFilePointer
{
    // The specification allows no more.
    private const int Longest = 1024;

    /// <summary>Whether a file of this length may be a pointer.</summary>
    public static bool MayBe(long length) => length <= Longest;

    /// <summary>Refuses a pointer, given the whole of a short file.</summary>
    /// <exception cref="CheckpointException">It is one.</exception>
    public static void Refuse(string path, ReadOnlySpan<byte> content)
    {
        if (content.StartsWith("version https://git-lfs"u8))
        {
            throw new CheckpointException(path, "a Git LFS pointer, not the file itself; run `git lfs pull` in the repository that it was cloned from");
        }
    }
}
