namespace Portable.Checkpoints.Files;

/// <summary>Bytes of files, those behind symbolic links for the links: so the Hugging Face cache lays its snapshots out.</summary>
internal static class FileLength
{
    /// <summary>Bytes of a file; 0 where there is none.</summary>
    /// <param name="path">The file, or a link to it.</param>
    public static long Of(string path)
    {
        FileSystemInfo file = new FileInfo(path);
        if (file.LinkTarget is not null)
        {
            file = file.ResolveLinkTarget(returnFinalTarget: true) ?? file;
        }

        return file is FileInfo { Exists: true } info ? info.Length : 0;
    }
}
