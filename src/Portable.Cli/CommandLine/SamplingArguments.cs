using System.CommandLine;
using System.Globalization;

namespace Portable.Cli.CommandLine;

/// <summary>The options of generate, chat and serve that say how tokens are chosen.</summary>
internal sealed class SamplingArguments
{
    private readonly Option<double> _temperature = new("--temperature") { Description = "0 = always the likeliest token; 1 = as the model says.", HelpName = "T" };
    private readonly Option<int> _topK = new("--top-k") { Description = "Draw from the K likeliest tokens (0 = all).", HelpName = "K" };
    private readonly Option<double> _topP = new("--top-p") { Description = "Draw from the likeliest tokens that together reach probability P.", HelpName = "P" };
    private readonly Option<double> _minP = new("--min-p") { Description = "Draw from tokens at least P times as likely as the likeliest.", HelpName = "P" };
    private readonly Option<double> _repetition = new("--repetition-penalty") { Description = "Over 1: tokens of the text so far become less likely.", HelpName = "X" };
    private readonly Option<double> _presence = new("--presence-penalty") { Description = "Taken from logits of tokens that the answer holds.", HelpName = "X" };
    private readonly Option<double> _frequency = new("--frequency-penalty") { Description = "Taken from logits for each time that the answer holds the token.", HelpName = "X" };
    private readonly Option<string[]> _bias = new("--logit-bias") { Description = "Adds B to the logit of token ID (several).", HelpName = "ID=B" };
    private readonly Option<long> _seed = new("--seed") { Description = "Seed of the draws: the same seed, the same text.", HelpName = "N" };
    private readonly Option<string[]> _stop = new("--stop") { Description = "Ends the answer before this text (several).", HelpName = "TEXT" };

    /// <summary>Gives a command the options.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_temperature, _topK, _topP, _minP, _repetition, _presence, _frequency, _bias, _seed, _stop])
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Generation options: what was typed, over defaults.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="defaults">What holds where nothing was typed.</param>
    /// <exception cref="UsageException">A value is out of range.</exception>
    public GenerationOptions Read(ParseResult parsed, GenerationOptions defaults)
    {
        T Given<T>(Option<T> option, T otherwise) => parsed.GetResult(option) is { Implicit: false } ? parsed.GetValue(option)! : otherwise;
        GenerationOptions options = defaults with
        {
            Temperature = Given(_temperature, defaults.Temperature),
            TopK = Given(_topK, defaults.TopK),
            TopP = Given(_topP, defaults.TopP),
            MinP = Given(_minP, defaults.MinP),
            RepetitionPenalty = Given(_repetition, defaults.RepetitionPenalty),
            PresencePenalty = Given(_presence, defaults.PresencePenalty),
            FrequencyPenalty = Given(_frequency, defaults.FrequencyPenalty),
            LogitBias = Given(_bias, []) is { Length: > 0 } given ? Biases(given) : defaults.LogitBias,
            Seed = Given(_seed, defaults.Seed),
            StopTexts = Given(_stop, [.. defaults.StopTexts]),
        };
        try
        {
            options.Validate();
            return options;
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Plain());
        }
    }

    /// <summary>What was typed and changes nothing, because the likeliest token is always taken; null where all of it counts.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="options">What it gave.</param>
    public string? Idle(ParseResult parsed, GenerationOptions options)
    {
        string[] idle = [.. ((Option[])[_topK, _topP, _minP, _seed]).Where(o => parsed.GetResult(o) is { Implicit: false }).Select(o => o.Name)];
        return options.Temperature == 0 && idle.Length > 0
            ? $"{string.Join(", ", idle)} {(idle.Length == 1 ? "changes" : "change")} nothing at temperature 0, where the likeliest token is taken; --temperature T draws"
            : null;
    }

    private static Dictionary<int, double> Biases(string[] given)
    {
        Dictionary<int, double> biases = [];
        foreach (string entry in given)
        {
            string[] parts = entry.Split('=');
            if (parts.Length != 2 || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int id) || !double.TryParse(parts[1], NumberStyles.Float, CultureInfo.InvariantCulture, out double value))
            {
                throw new UsageException($"--logit-bias '{entry}' is not ID=B, a token id and a number");
            }

            biases[id] = value;
        }

        return biases;
    }
}

/// <summary>How tokens were chosen, as reports say it.</summary>
internal sealed record SamplingReport(double Temperature, int TopK, double TopP, double MinP, double RepetitionPenalty, double PresencePenalty, double FrequencyPenalty, long Seed)
{
    public static SamplingReport Of(GenerationOptions o) => new(o.Temperature, o.TopK, o.TopP, o.MinP, o.RepetitionPenalty, o.PresencePenalty, o.FrequencyPenalty, o.Seed);
}
