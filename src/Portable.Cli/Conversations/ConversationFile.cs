using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;

namespace Portable.Cli.Conversations;

/// <summary>Conversations as JSON files: an array of messages with role and content.</summary>
internal static class ConversationFile
{
    private const long MaximumBytes = 16 << 20;

    /// <summary>Reads messages; the file is data and nothing else.</summary>
    /// <exception cref="CheckpointException">It is absent, too large, or something else.</exception>
    public static List<ChatMessage> Read(string path)
    {
        byte[] bytes = FileBytes.Read(path, MaximumBytes);
        try
        {
            List<ChatMessage>? messages = JsonSerializer.Deserialize(bytes, ChatJson.Default.ListChatMessage);
            return messages is not null && messages.TrueForAll(m => m is { Role: not null, Content: not null })
                ? messages
                : throw new CheckpointException(path, "not an array of messages with role and content");
        }
        catch (JsonException e)
        {
            throw new CheckpointException(path, $"not an array of messages with role and content ({e.Message})", inner: e);
        }
    }

    /// <summary>Writes messages: beside, then renamed.</summary>
    public static void Write(string path, IReadOnlyList<ChatMessage> messages) =>
        AtomicFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(messages, ChatJson.Default.IReadOnlyListChatMessage));
}
