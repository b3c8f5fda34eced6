using System.Runtime.CompilerServices;
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
            yield return Of(reader.Push(piece.Text), piece);
        }

        (string Text, IReadOnlyList<ToolCall> Calls) rest = reader.Finish();
        if (rest.Text.Length > 0 || rest.Calls.Count > 0)
        {
            yield return Of(rest, new AnswerPiece(-1, rest.Text, null));
        }
    }

    private ChatPiece Of((string Text, IReadOnlyList<ToolCall> Calls) read, AnswerPiece piece)
    {
        // A call needs a name of its own, and equal requests equal answers: its number in the answer.
        ToolCall[] calls = [.. read.Calls.Select((c, i) => c with { Id = $"call_{Calls + i}" })];
        Calls += calls.Length;
        return new ChatPiece(read.Text, calls, piece);
    }
}
