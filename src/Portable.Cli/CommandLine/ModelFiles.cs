using System.CommandLine;
using System.Text;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;

namespace Portable.Cli.CommandLine;

/// <summary>What several verbs ask of their arguments: a model directory and a text.</summary>
internal static class ModelFiles
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private const long LongestText = 1 << 30;

    /// <summary>Creates the argument MODEL.</summary>
    public static DirectoryArgument<string> CreateArgument() => new("MODEL")
    {
        Description = "Directory of a Hugging Face checkpoint (float) or of a Portable checkpoint (quantized).",
    };

    /// <summary>Reads a UTF-8 text.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mayBeEmpty">Whether an empty text makes sense.</param>
    /// <exception cref="CheckpointException">The file cannot be read.</exception>
    /// <exception cref="IOException">It is empty, or not UTF-8.</exception>
    public static string ReadText(string path, bool mayBeEmpty = false)
    {
        try
        {
            string text = StrictUtf8.GetString(FileBytes.Read(path, LongestText));
            return text.Length > 0 || mayBeEmpty ? text : throw new IOException($"{path}: the text is empty");
        }
        catch (DecoderFallbackException e)
        {
            throw new IOException($"{path}: not UTF-8 at offset {e.Index}", e);
        }
    }

    /// <summary>Reads a UTF-8 text that is not empty: of a file, or of standard input.</summary>
    /// <param name="path">The file; - is standard input.</param>
    /// <param name="input">Standard input.</param>
    /// <param name="cancellation">Ends waiting.</param>
    /// <exception cref="IOException">The text is empty, or not UTF-8.</exception>
    public static string ReadText(string path, TextReader input, CancellationToken cancellation) =>
        path != "-" ? Waiting.For(() => ReadText(path), cancellation)
        : Waiting.For(input.ReadToEnd, cancellation) is { Length: > 0 } text ? text : throw new IOException("standard input: the text is empty");

    /// <summary>Bytes of all files of a directory, those behind links for the links.</summary>
    public static long DirectoryBytes(string directory) =>
        Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories).Sum(FileLength.Of);
}
