using System.Globalization;
using System.Text;

namespace Portable.Checkpoints;

/// <summary>
/// A file of a checkpoint is missing, damaged, hostile, or asks for something that Portable does not run. The message is one
/// line that names the file and, where there is one, the tensor and the byte offset in the file.
/// </summary>
public sealed class CheckpointException : Exception
{
    // A hostile header can hold names of megabytes; an error line should not.
    private const int LongestName = 200;

    /// <summary>Creates the error.</summary>
    /// <param name="file">Path of the file at fault.</param>
    /// <param name="problem">What is wrong, and where it helps what would be right.</param>
    /// <param name="tensor">The tensor at fault, or null.</param>
    /// <param name="offset">The byte in the file at fault, or null.</param>
    /// <param name="inner">The cause, or null.</param>
    public CheckpointException(string file, string problem, string? tensor = null, long? offset = null, Exception? inner = null)
        : base(Compose(file, problem, tensor, offset), inner) => (File, Tensor, Offset) = (file, tensor, offset);

    /// <summary>Path of the file at fault.</summary>
    public string File { get; }

    /// <summary>The tensor at fault, or null.</summary>
    public string? Tensor { get; }

    /// <summary>The byte in the file at fault, or null.</summary>
    public long? Offset { get; }

    private static string Compose(string file, string problem, string? tensor, long? offset)
    {
        StringBuilder text = new(file);
        if (tensor is not null)
        {
            text.Append(": tensor '").Append(tensor.Length <= LongestName ? tensor : tensor[..LongestName] + "…").Append('\'');
        }

        if (offset is { } at)
        {
            text.Append(CultureInfo.InvariantCulture, $"{(tensor is null ? ":" : "")} at byte {at}");
        }

        text.Append(": ").Append(problem);
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsControl(text[i]) || text[i] is '\u2028' or '\u2029')
            {
                text[i] = ' ';
            }
        }

        return text.ToString();
    }
}
