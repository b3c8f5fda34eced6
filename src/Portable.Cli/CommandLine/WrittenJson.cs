using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;

namespace Portable.Cli.CommandLine;

/// <summary>JSON that people write: a byte order mark is no fault, and faults are told by line and column.</summary>
internal static class WrittenJson
{
    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="longest">Bytes accepted.</param>
    /// <param name="read">Makes something of its bytes.</param>
    /// <exception cref="CheckpointException">It is absent, too large, empty or not JSON.</exception>
    public static T Read<T>(string path, long longest, Func<ReadOnlyMemory<byte>, T> read) => Parse(path, JsonFile.Text(path, longest), read);

    /// <summary>The same of bytes that are already here.</summary>
    /// <param name="path">What faults call them.</param>
    /// <param name="bytes">UTF-8 without a byte order mark.</param>
    /// <param name="read">Makes something of them.</param>
    /// <exception cref="CheckpointException">They are none, or not JSON.</exception>
    public static T Parse<T>(string path, ReadOnlyMemory<byte> bytes, Func<ReadOnlyMemory<byte>, T> read)
    {
        if (bytes.Span.Trim(" \t\r\n"u8).IsEmpty)
        {
            throw new CheckpointException(path, "the file is empty");
        }

        try
        {
            return read(bytes);
        }
        catch (JsonException e)
        {
            throw new CheckpointException(path, $"not the JSON that is expected, at {JsonFault.Place(e)}", inner: e);
        }
    }
}
