namespace Portable.Checkpoints.Files;

/// <summary>Small files whole, with the system's refusals as <see cref="CheckpointException"/>.</summary>
internal static class FileBytes
{
    /// <summary>Reads a file of at most <paramref name="longest"/> bytes. What has no length of its own (a pipe, a device) is read up
    /// to that many.</summary>
    public static byte[] Read(string path, long longest)
    {
        if (Directory.Exists(path))
        {
            throw new CheckpointException(path, "a directory, not a file");
        }

        try
        {
            using FileStream stream = new(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            long length = stream.CanSeek ? stream.Length : 0;
            if (length > longest)
            {
                throw new CheckpointException(path, $"the file has {length} bytes; at most {longest} are accepted");
            }

            byte[] bytes = length > 0 ? new byte[length] : ToEnd(path, stream, longest);
            stream.ReadExactly(bytes.AsSpan(0, (int)length));
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

    private static byte[] ToEnd(string path, FileStream stream, long longest)
    {
        using MemoryStream bytes = new();
        byte[] buffer = new byte[1 << 16];
        for (int read; (read = stream.Read(buffer)) > 0;)
        {
            bytes.Write(buffer, 0, read);
            if (bytes.Length > longest)
            {
                throw new CheckpointException(path, $"more than {longest} bytes, which are all that are accepted");
            }
        }

        return bytes.ToArray();
    }
}
