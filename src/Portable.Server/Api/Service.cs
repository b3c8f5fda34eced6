using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Portable.Chat.Templates;
using Portable.Checkpoints;
using Portable.Execution;
using Portable.Generation.Constraints;
using Portable.Server.Http;
using Portable.Serving;

namespace Portable.Server.Api;

/// <summary>What requests may take, and what holds where they say nothing.</summary>
/// <param name="MaximumWaiting">The most texts that wait for a place.</param>
/// <param name="MaximumTime">The longest that a request may take.</param>
/// <param name="Defaults">How tokens are chosen; null = as the model's makers recommend.</param>
internal sealed record ServiceSettings(int MaximumWaiting, TimeSpan MaximumTime, GenerationOptions? Defaults);

/// <summary>The model that a server serves, what its endpoints share, and what they count.</summary>
internal sealed class Service : IDisposable
{
    private readonly CancellationTokenSource _closing = new();
    private readonly long _started = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
    private volatile LanguageModel? _model;
    private GenerationOptions? _defaults;

    public Service(string name, ServiceSettings settings) => (Name, Settings, Telemetry) = (name, settings, new Telemetry(name));

    /// <summary>What requests call the model.</summary>
    public string Name { get; }

    public ServiceSettings Settings { get; }

    public Telemetry Telemetry { get; }

    /// <summary>The model, or null while it loads.</summary>
    public LanguageModel? Loaded => _model;

    /// <summary>The model.</summary>
    /// <exception cref="ApiException">It is not loaded yet.</exception>
    public LanguageModel Model => _model ?? throw new ApiException(503, "The model is loading.", code: "model_loading");

    /// <summary>What holds where a request says nothing.</summary>
    public GenerationOptions Defaults => _defaults ??= Settings.Defaults ?? Model.RecommendedOptions;

    /// <summary>Takes the model that has been loaded.</summary>
    public void Open(LanguageModel model) => _model = model;

    /// <summary>Seconds since 1970.</summary>
    public static long Now => DateTimeOffset.UtcNow.ToUnixTimeSeconds();

    /// <summary>A name for an answer; chance has no part in its text.</summary>
    public static string NewId(string prefix) => $"{prefix}-{Guid.NewGuid():N}";

    /// <summary>How the model is listed.</summary>
    public ModelEntry Entry
    {
        get
        {
            LanguageModel model = Model;
            string? note = model.Fingerprint is null ? "an unquantized model has no fingerprint: its bits differ from device to device" : null;
            return new ModelEntry(Name, "model", _started, "portable", model.DeviceName, model.Context, model.Model.Sequences, model.Fingerprint, note);
        }
    }

    /// <summary>Checks that a request means this model, and that there is room for it in the queue.</summary>
    /// <exception cref="ApiException">It does not, or there is none.</exception>
    public void Accept(Fields fields)
    {
        LanguageModel model = Model;
        if (fields.Text("model") is { Length: > 0 } asked && asked != Name)
        {
            throw new ApiException(404, $"There is no model '{asked}' here; there is '{Name}'.", "model", "model_not_found");
        }

        if (model.Engine.Scheduler.Waiting >= Settings.MaximumWaiting)
        {
            throw new ApiException(429, "The server is full: too many texts wait already.", code: "queue_full");
        }
    }

    /// <summary>Refuses functions where the model has no way to call them.</summary>
    public void AcceptTools(JsonElement? tools)
    {
        if (tools is not null && Model.ToolRefusal is { } reason)
        {
            throw new ApiException(400, reason, "tools", "unsupported_parameter");
        }
    }

    /// <summary>What ends an answer: the client has left, it takes too long, or the server closes.</summary>
    public CancellationTokenSource Limit(HttpContext context)
    {
        CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _closing.Token);
        limit.CancelAfter(Settings.MaximumTime);
        return limit;
    }

    /// <summary>The spelling of a token.</summary>
    public (string Text, int[] Bytes) Spelling(int id)
    {
        byte[] bytes = Model.Tokenizer.Bytes(id);
        string text = bytes.Length > 0 ? Encoding.UTF8.GetString(bytes) : Model.Tokenizer.Token(id) ?? string.Empty;
        return (text, [.. bytes.Select(b => (int)b)]);
    }

    /// <summary>The likelihood of a token as conversations report it.</summary>
    public TokenLogprob Logprob(TokenLikelihood likelihood)
    {
        (string text, int[] bytes) = Spelling(likelihood.Id);
        return new TokenLogprob(text, likelihood.LogProbability, bytes, [.. likelihood.Likeliest.Select(l =>
        {
            (string token, int[] spelled) = Spelling(l.Id);
            return new LikelyToken(token, l.LogProbability, spelled);
        })]);
    }

    /// <summary>Tokens of answers to one prompt.</summary>
    public static Usage UsageOf(IReadOnlyCollection<Answer> answers)
    {
        int prompt = answers.First().Request.Prompt.Length, made = answers.Sum(a => a.Made);
        return new Usage(prompt, made, prompt + made, new CachedTokens(answers.First().Reused));
    }

    /// <summary>Answers with JSON.</summary>
    public static Task WriteAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type, int status = 200)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        return context.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(value, type), context.RequestAborted).AsTask();
    }

    /// <summary>The error that an exception means to a client; null where there is nobody to tell.</summary>
    public static ApiException? ErrorOf(Exception exception, HttpContext context) => exception switch
    {
        ApiException error => error,
        _ when context.RequestAborted.IsCancellationRequested => null,
        OperationCanceledException => new ApiException(503, "The answer took longer than this server gives it, or the server closes.", code: "cancelled"),
        ConstraintException e => new ApiException(400, e.Message, code: "unsupported_shape"),
        PromptLengthException e => new ApiException(400, e.Message, PromptOf(context), "context_length_exceeded"),
        ArgumentException e => new ApiException(400, e.Plain(), code: "invalid_value"),
        TemplateException e => new ApiException(400, $"The model's chat template refuses these messages: {e.Message}", PromptOf(context), "template_error"),
        CheckpointException => new ApiException(400, "The model has no chat template: it continues texts (/v1/completions) and holds no conversation.", PromptOf(context), "no_chat_template"),
        ObjectDisposedException => new ApiException(503, "The server closes.", code: "closing"),
        DeviceException e => new ApiException(500, e.Message, code: "device_error"),
        BadHttpRequestException e => JsonBody.Unreadable(e),
        _ => new ApiException(500, "The server failed at this request.", code: "internal_error"),
    };

    // The field that an endpoint takes its prompt from.
    private static string PromptOf(HttpContext context) => context.Request.Path.Value switch
    {
        CompletionEndpoint.Path => "prompt",
        ResponseEndpoint.Path => "input",
        _ => "messages",
    };

    public static ErrorAnswer Body(ApiException error) => new(new ErrorBody(error.Message, ApiException.TypeOf(error.Status), error.Parameter, error.Code));

    /// <summary>Ends all answers under way.</summary>
    public void Close() => _closing.Cancel();

    public void Dispose()
    {
        _closing.Cancel();
        _model?.Dispose();
        Telemetry.Dispose();
        _closing.Dispose();
    }
}
