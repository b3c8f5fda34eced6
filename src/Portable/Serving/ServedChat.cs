using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Portable.Chat.Tools;

namespace Portable.Serving;

/// <summary>Something of an answer in a conversation: text, calls of functions, or both.</summary>
/// <param name="Text">New text.</param>
/// <param name="Calls">Calls that are complete now.</param>
/// <param name="Piece">The token that it came with.</param>
internal readonly record struct ChatPiece(string Text, IReadOnlyList<ToolCall> Calls, AnswerPiece Piece);

/// <summary>An answer in a conversation, with the calls of functions taken out of its text.</summary>
/// <param name="answer">The answer.</param>
/// <param name="format">How calls are written.</param>
internal sealed class ServedChat(Answer answer, ToolCallFormat format)
{
    private const int IdLength = 9;
    private const string Letters = "0123456789abcdefghijklmnopqrstuvwxyz";

    /// <summary>The answer's tokens and counts.</summary>
    public Answer Answer => answer;

    /// <summary>Calls so far.</summary>
    public int Calls { get; private set; }

    /// <summary>The pieces as they come.</summary>
    public async IAsyncEnumerable<ChatPiece> Pieces([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        ToolCallReader reader = new(format);
        await foreach (AnswerPiece piece in answer.Pieces.ReadAllAsync(cancellation).ConfigureAwait(false))
        {
            // What is there already is read without a look at it.
            cancellation.ThrowIfCancellationRequested();
            yield return Of(reader.Push(piece.Text), piece);
        }

        (string Text, IReadOnlyList<ToolCall> Calls) rest = reader.Finish(cut: answer.End == AnswerEnd.Length);
        if (rest.Text.Length > 0 || rest.Calls.Count > 0)
        {
            yield return Of(rest, new AnswerPiece(-1, rest.Text, null));
        }
    }

    private ChatPiece Of((string Text, IReadOnlyList<ToolCall> Calls) read, AnswerPiece piece)
    {
        ToolCall[] calls = [.. read.Calls.Select((c, i) => c with { Id = Identify(Calls + i) })];
        Calls += calls.Length;
        return new ChatPiece(read.Text, calls, piece);
    }

    // A call needs a name that no other call of the conversation has, and equal requests equal answers: so it comes from the conversation
    // so far, the draw and the call's number. Nine letters and digits, for that is what templates of Mistral's models insist on.
    private string Identify(int call)
    {
        TextRequest request = answer.Request;
        byte[] hash = SHA256.HashData(MemoryMarshal.AsBytes<int>([.. request.Prompt, request.Sampling.Seed.GetHashCode(), request.Choice, call]));
        return string.Create(IdLength, hash, static (id, bytes) =>
        {
            for (int i = 0; i < id.Length; i++)
            {
                id[i] = Letters[BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(2 * i)) % Letters.Length];
            }
        });
    }
}
