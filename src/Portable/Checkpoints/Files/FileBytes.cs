namespace Portable.Checkpoints.Files;

/// <summary>Small files whole, with the system's refusals as <see cref="CheckpointException"/>.</summary>
internal static class FileBytes
{
    /// <summary>Reads a file of at most <paramref name="longest"/> bytes.</summary>
    public static byte[] Read(string path, long longest)
    {
        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            if (stream.Length > longest)
            {
                throw new CheckpointException(path, $"the file has {stream.Length} bytes; at most {longest} are accepted");
            }

            byte[] bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            if (LargeFilePointer.MayBe(bytes.Length))
            {
                LargeFilePointer.Refuse(path, bytes);
            }

            return bytes;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(path, "no such file", inner: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read: {e.Message}", inner: e);
        }
    }
}
