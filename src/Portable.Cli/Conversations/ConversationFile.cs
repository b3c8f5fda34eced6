using System.Text.Encodings.Web;
using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;
using Portable.Cli.CommandLine;

namespace Portable.Cli.Conversations;

/// <summary>Conversations as JSON files: an array of messages with role and content.</summary>
internal static class ConversationFile
{
    private const long MaximumBytes = 16 << 20;

    // People read these files: what is not ASCII stands as it is, which is safe where no page shows it as HTML.
    private static readonly ChatJson Written = new(new JsonSerializerOptions(ChatJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    /// <summary>Reads messages; the file is data and nothing else.</summary>
    /// <exception cref="CheckpointException">It is absent, too large, or something else.</exception>
    public static List<ChatTurn> Read(string path)
    {
        List<ChatTurn>? messages = WrittenJson.Read(path, MaximumBytes, bytes => JsonSerializer.Deserialize(bytes.Span, ChatJson.Default.ListChatTurn));
        return messages is not null && messages.TrueForAll(m => m is { Role: not null, Content: not null })
            ? messages
            : throw new CheckpointException(path, "not an array of messages with role and content");
    }

    /// <summary>Writes messages: beside, then renamed. A link stays one, and what it leads to is written.</summary>
    /// <exception cref="CheckpointException">It cannot be written, or what stands beside it is in the way.</exception>
    public static void Write(string path, IReadOnlyList<ChatTurn> messages)
    {
        string target = FileLink.End(path);
        if (File.Exists(target + AtomicFile.Unfinished))
        {
            throw new CheckpointException(target + AtomicFile.Unfinished, "is in the way: messages are written there first; rename it or save under another name");
        }

        AtomicFile.Write(target, JsonSerializer.SerializeToUtf8Bytes(messages, Written.IReadOnlyListChatTurn));
    }
}
