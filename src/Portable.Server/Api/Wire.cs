using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Portable.Server.Api;

internal sealed record ErrorBody(string Message, string Type, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Param, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Code);

internal sealed record ErrorAnswer(ErrorBody Error);

internal sealed record HealthAnswer(string Status);

internal sealed record ModelEntry(
    string Id, string Object, long Created, string OwnedBy, string Device, int ContextLength, int Slots,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? SystemFingerprint, string? FingerprintNote);

internal sealed record ModelList(string Object, ModelEntry[] Data);

internal sealed record CachedTokens([property: JsonPropertyName("cached_tokens")] int Count);

internal sealed record Usage(int PromptTokens, int CompletionTokens, int TotalTokens, CachedTokens PromptTokensDetails);

internal sealed record LikelyToken(string Token, double Logprob, int[] Bytes);

internal sealed record TokenLogprob(string Token, double Logprob, int[] Bytes, LikelyToken[] TopLogprobs);

internal sealed record ChatLogprobs(TokenLogprob[] Content);

internal sealed record CalledFunction(string Name, string Arguments);

internal sealed record CallEntry(int? Index, string Id, string Type, CalledFunction Function);

internal sealed record AnswerMessage(
    string Role, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Content,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Refusal, CallEntry[]? ToolCalls);

internal sealed record ChatChoice(int Index, AnswerMessage Message, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] ChatLogprobs? Logprobs, string FinishReason);

internal sealed record ChatAnswer(
    string Id, string Object, long Created, string Model, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? SystemFingerprint, ChatChoice[] Choices, Usage Usage);

internal sealed record ChatDelta(string? Role, string? Content, CallEntry[]? ToolCalls);

internal sealed record ChunkChoice(
    int Index, ChatDelta Delta, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] ChatLogprobs? Logprobs,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? FinishReason);

internal sealed record ChatChunk(
    string Id, string Object, long Created, string Model, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? SystemFingerprint, ChunkChoice[] Choices, Usage? Usage);

internal sealed record TextLogprobs(string[] Tokens, double?[] TokenLogprobs, Dictionary<string, double>?[] TopLogprobs, int[] TextOffset);

internal sealed record TextChoice(
    string Text, int Index, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] TextLogprobs? Logprobs,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? FinishReason);

internal sealed record TextAnswer(
    string Id, string Object, long Created, string Model, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? SystemFingerprint, TextChoice[] Choices, Usage? Usage);

/// <summary>Shapes of answers, generated at build time; names are snake case as the protocol has them.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ErrorAnswer))]
[JsonSerializable(typeof(HealthAnswer))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelEntry))]
[JsonSerializable(typeof(ChatAnswer))]
[JsonSerializable(typeof(ChatChunk))]
[JsonSerializable(typeof(TextAnswer))]
internal sealed partial class Wire : JsonSerializerContext
{
    /// <summary>With no escapes but those that JSON needs: what is sent is JSON by its type, and never part of a page.</summary>
    public static Wire Plain { get; } = new(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    });
}
