using System.Globalization;

namespace Portable.Cli.Conversations;

/// <summary>Messages so far, and the model that answers them.</summary>
internal sealed class Conversation
{
    private readonly LanguageModel _model;
    private readonly GenerationOptions _options;
    private readonly ChatTemplateOptions _chat;
    private readonly List<ChatTurn> _messages = [];
    private int _retries;

    /// <summary>Starts a conversation.</summary>
    /// <param name="model">Who answers.</param>
    /// <param name="options">How tokens are chosen; at most so many as the context has room for.</param>
    /// <param name="chat">Template and trust.</param>
    /// <param name="system">What the model is told to be, or null.</param>
    public Conversation(LanguageModel model, GenerationOptions options, ChatTemplateOptions chat, string? system)
    {
        (_model, _options, _chat) = (model, options, chat);
        SetSystem(system);
        // That the model has no template, or one that cannot be used, is known before anything is typed.
        model.EncodeChat([.. _messages, ChatTurn.User("Hello.")], chat);
    }

    /// <summary>The messages so far.</summary>
    public IReadOnlyList<ChatTurn> Messages => _messages;

    /// <summary>Tokens that it can take.</summary>
    public int Context => _model.Context;

    /// <summary>Answers a message; the answer joins the conversation, as far as it was made, when its enumeration ends.</summary>
    public IEnumerable<string> Say(string text, CancellationToken cancellation)
    {
        _messages.Add(ChatTurn.User(text));
        _retries = 0;
        return Answer(cancellation);
    }

    /// <summary>Answers the last message again, by other draws; empty where there is none.</summary>
    public IEnumerable<string> Retry(CancellationToken cancellation)
    {
        if (_messages is [.., { Role: "assistant" }])
        {
            _messages.RemoveAt(_messages.Count - 1);
        }

        _retries++;
        return _messages is [.., { Role: "user" }] ? Answer(cancellation) : [];
    }

    /// <summary>Forgets all but the system message.</summary>
    public void Reset() => _messages.RemoveAll(m => m.Role != "system");

    /// <summary>Gives the conversation a system message, or none.</summary>
    public void SetSystem(string? text)
    {
        _messages.RemoveAll(m => m.Role == "system");
        if (!string.IsNullOrEmpty(text))
        {
            _messages.Insert(0, ChatTurn.System(text));
        }
    }

    /// <summary>Takes another conversation's messages.</summary>
    public void Load(IEnumerable<ChatTurn> messages)
    {
        _messages.Clear();
        _messages.AddRange(messages);
    }

    private IEnumerable<string> Answer(CancellationToken cancellation)
    {
        string said = string.Empty;
        IEnumerator<string> pieces;
        try
        {
            int taken = _model.EncodeChat(_messages, _chat).Length, room = _model.Context - taken;
            if (room < 1)
            {
                bool old = _messages.Count(m => m.Role != "system") > 1;
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{taken:N0} tokens are more than the context of {_model.Context:N0} holds with an answer: {(old ? "/reset starts anew" : "a shorter message, or more --context")}"));
            }

            pieces = _model.Chat(_messages, _options with { MaximumTokens = Math.Min(_options.MaximumTokens, room), Choice = _retries }, _chat, cancellation).GetEnumerator();
        }
        catch
        {
            // What the template or the context refuses is not part of the conversation.
            _messages.RemoveAt(_messages.Count - 1);
            throw;
        }

        return Pieces();

        IEnumerable<string> Pieces()
        {
            using (pieces)
            {
                try
                {
                    while (pieces.MoveNext())
                    {
                        said += pieces.Current;
                        yield return pieces.Current;
                    }
                }
                finally
                {
                    _messages.Add(ChatTurn.Assistant(said));
                }
            }
        }
    }
}
