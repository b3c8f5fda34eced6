using System.Globalization;
using System.Text.Json;
using Portable.Server.Http;

namespace Portable.Server.Api;

/// <summary>The fields that say how tokens are chosen.</summary>
internal static class SamplingFields
{
    private const int MostStops = 64;

    /// <summary>Options: what the request says, over defaults.</summary>
    /// <exception cref="ApiException">A field has the wrong type or is out of range, or would change the text and is not implemented.</exception>
    public static GenerationOptions Read(Fields fields, GenerationOptions defaults, int maximumTokens)
    {
        fields.Refuse(
            "min_tokens", "length_penalty", "use_beam_search", "typical_p", "tfs_z", "top_a", "epsilon_cutoff", "eta_cutoff", "mirostat", "mirostat_tau", "mirostat_eta", "smoothing_factor",
            "dry_multiplier", "dry_base", "xtc_probability", "dynatemp_range", "bad_words", "allowed_token_ids", "grammar", "guided_json", "guided_choice", "guided_grammar",
            "structured_outputs", "json_schema", "truncate_prompt_tokens", "include_stop_str_in_output", "logits_processors", "reasoning_effort", "reasoning", "verbosity", "prompt_logprobs");
        if (fields.Flag("skip_special_tokens") == false)
        {
            throw new ApiException(400, "'skip_special_tokens': false is not supported.", "skip_special_tokens", "unsupported_parameter");
        }

        string[] stops = fields.Texts("stop") ?? [.. defaults.StopTexts];
        if (stops.Length > MostStops || stops.Contains(string.Empty))
        {
            throw new ApiException(400, $"'stop' must be at most {MostStops} texts, none of them empty.", "stop", "invalid_value");
        }

        GenerationOptions options = defaults with
        {
            MaximumTokens = maximumTokens,
            Temperature = fields.Number("temperature", 0, 100) ?? defaults.Temperature,
            TopP = fields.Number("top_p", 1e-9, 1) ?? defaults.TopP,
            TopK = (int)(fields.Integer("top_k", -1, int.MaxValue) is { } k ? Math.Max(k, 0) : defaults.TopK),
            MinP = fields.Number("min_p", 0, 1) ?? defaults.MinP,
            RepetitionPenalty = fields.Number("repetition_penalty", 1e-3, 100) ?? defaults.RepetitionPenalty,
            PresencePenalty = fields.Number("presence_penalty", -100, 100) ?? defaults.PresencePenalty,
            FrequencyPenalty = fields.Number("frequency_penalty", -100, 100) ?? defaults.FrequencyPenalty,
            Seed = fields.Integer("seed", long.MinValue, long.MaxValue) ?? defaults.Seed,
            IgnoreEnd = fields.Flag("ignore_eos") ?? defaults.IgnoreEnd,
            StopTexts = stops,
            LogitBias = fields.Object("logit_bias") is { } bias ? Biases(bias) : defaults.LogitBias,
        };
        try
        {
            options.Validate();
            return options;
        }
        catch (ArgumentException e)
        {
            throw new ApiException(400, e.Plain(), code: "invalid_value");
        }
    }

    /// <summary>How many choices are asked for.</summary>
    public static int Choices(Fields fields) => (int)(fields.Integer("n", 1, 64) ?? 1);

    /// <summary>Whether the answer comes in events, and whether usage is the last of them.</summary>
    public static (bool Stream, bool Usage) Streaming(Fields fields)
    {
        bool stream = fields.Flag("stream") ?? false;
        return (stream, stream && (fields.Object("stream_options")?.Flag("include_usage") ?? false));
    }

    private static Dictionary<int, double> Biases(Fields fields)
    {
        Dictionary<int, double> biases = [];
        foreach (JsonProperty property in fields.All)
        {
            if (!int.TryParse(property.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
            {
                throw new ApiException(400, $"'logit_bias' has token ids for its names, not '{property.Name}'.", "logit_bias", "invalid_value");
            }

            biases[id] = fields.Number(property.Name, -1e5, 1e5) ?? 0;
        }

        return biases;
    }
}
