using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.AI;
using AIOptions = Microsoft.Extensions.AI.ChatOptions;

namespace Portable.Extensions.AI;

/// <summary>
/// What a call asks for, in the model's own terms. Where options say the same twice, what ChatOptions says goes before what
/// <see cref="AIOptions.AdditionalProperties"/> say, these before what <see cref="AIOptions.RawRepresentationFactory"/> gives, and that
/// before what the model's makers recommend.
/// </summary>
/// <param name="Generation">How the answer is made.</param>
/// <param name="Template">How the conversation is put before the model, but for tools.</param>
internal sealed record AskedOptions(GenerationOptions Generation, ChatTemplateOptions Template)
{
    private const string MinP = "min_p", RepetitionPenalty = "repetition_penalty", LogitBias = "logit_bias", IgnoreEnd = "ignore_eos", Variables = "chat_template_kwargs", Thinking = "enable_thinking";

    /// <summary>Reads the options of a call.</summary>
    /// <param name="client">Who is asked.</param>
    /// <param name="asked">The call's options, or null.</param>
    /// <param name="recommended">What holds where nothing else is said; without a limit of tokens an answer may fill the context.</param>
    /// <param name="name">The model's name.</param>
    /// <exception cref="NotSupportedException">Something is asked for that would change the answer and that the client does not do.</exception>
    public static AskedOptions Of(IChatClient client, AIOptions? asked, GenerationOptions recommended, string name)
    {
        GenerationOptions generation = recommended with { MaximumTokens = int.MaxValue };
        ChatTemplateOptions template = new();
        if (asked is null)
        {
            return new AskedOptions(generation, template);
        }

        Refuse(asked, name);
        object? raw = asked.RawRepresentationFactory?.Invoke(client);
        generation = raw as GenerationOptions ?? generation;
        template = raw as ChatTemplateOptions ?? template;
        Dictionary<string, JsonElement> variables = new(template.Variables);
        if (asked.Reasoning?.Effort is { } effort)
        {
            variables[Thinking] = Json(effort != ReasoningEffort.None);
        }

        foreach ((string key, object? value) in asked.AdditionalProperties ?? [])
        {
            switch (key)
            {
                case MinP: generation = generation with { MinP = Number(key, value) }; break;
                case RepetitionPenalty: generation = generation with { RepetitionPenalty = Number(key, value) }; break;
                case IgnoreEnd: generation = generation with { IgnoreEnd = Of(key, value) is { ValueKind: JsonValueKind.True or JsonValueKind.False } flag ? flag.GetBoolean() : throw Wrong(key, "true or false") }; break;
                case LogitBias: generation = generation with { LogitBias = Members(key, value).ToDictionary(p => Id(p.Name), p => Number(key, p.Value)) }; break;
                case Variables:
                    foreach (JsonProperty variable in Members(key, value))
                    {
                        variables[variable.Name] = variable.Value;
                    }

                    break;
                default: variables[key] = Of(key, value); break;
            }
        }

        generation = generation with
        {
            MaximumTokens = asked.MaxOutputTokens ?? generation.MaximumTokens,
            Temperature = Exact(asked.Temperature) ?? generation.Temperature,
            TopK = asked.TopK ?? generation.TopK,
            TopP = Exact(asked.TopP) ?? generation.TopP,
            FrequencyPenalty = Exact(asked.FrequencyPenalty) ?? generation.FrequencyPenalty,
            PresencePenalty = Exact(asked.PresencePenalty) ?? generation.PresencePenalty,
            Seed = asked.Seed ?? generation.Seed,
            StopTexts = asked.StopSequences is { } stops ? [.. stops] : generation.StopTexts,
        };
        return new AskedOptions(generation, template with { Variables = variables });
    }

    private static void Refuse(AIOptions asked, string name)
    {
        if (asked.ConversationId is not null)
        {
            throw new NotSupportedException("The client keeps no conversations (ConversationId): every call has all messages.");
        }

        if (asked.ContinuationToken is not null)
        {
            throw new NotSupportedException("Answers are not continued (ContinuationToken).");
        }

        if (asked.ModelId is { } model && model != name)
        {
            throw new NotSupportedException($"The client has the model '{name}' alone, not '{model}' (ModelId).");
        }
    }

    // 0.7f means 0.7.
    private static double? Exact(float? value) => value is { } single ? double.Parse(single.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture) : null;

    private static double Number(string key, object? value) => Of(key, value) is { ValueKind: JsonValueKind.Number } number ? number.GetDouble() : throw Wrong(key, "a number");

    private static int Id(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id : throw Wrong(LogitBias, "numbers by token id");

    private static JsonElement.ObjectEnumerator Members(string key, object? value) => Of(key, value) is { ValueKind: JsonValueKind.Object } members ? members.EnumerateObject() : throw Wrong(key, "an object");

    private static JsonElement Of(string key, object? value)
    {
        try
        {
            return value is JsonElement element ? element : Json(value);
        }
        catch (Exception e) when (e is NotSupportedException or JsonException)
        {
            throw new NotSupportedException($"AdditionalProperties['{key}'] ({value!.GetType().Name}) cannot be written as JSON for the model's chat template.", e);
        }
    }

    private static JsonElement Json(object? value) => value is null ? JsonSerializer.SerializeToElement(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(typeof(object))) : JsonSerializer.SerializeToElement(value, AIJsonUtilities.DefaultOptions.GetTypeInfo(value.GetType()));

    private static NotSupportedException Wrong(string key, string wanted) => new($"AdditionalProperties['{key}'] must be {wanted}.");
}
