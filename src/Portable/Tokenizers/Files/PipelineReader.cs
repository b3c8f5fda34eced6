using System.Text.Json;
using Portable.Checkpoints;
using Portable.Tokenizers.Pipeline;
using Portable.Tokenizers.Unicode;

namespace Portable.Tokenizers.Files;

/// <summary>The steps around the model in a tokenizer.json. A step that is not known is an error that names it: a tokenizer that is almost right is wrong.</summary>
internal static class PipelineReader
{
    /// <summary>Reads the normalizers.</summary>
    public static IReadOnlyList<Normalizer> Normalizers(StepFields? step) => step is null ? [] : step.Type switch
    {
        "Sequence" => [.. step.Steps("normalizers").SelectMany(Normalizers)],
        "NFC" => [new FormNormalizer(NormalizationForm.C)],
        "NFD" => [new FormNormalizer(NormalizationForm.D)],
        "NFKC" => [new FormNormalizer(NormalizationForm.KC)],
        "NFKD" => [new FormNormalizer(NormalizationForm.KD)],
        "Lowercase" => [new LowercaseNormalizer()],
        "Prepend" => [new PrependNormalizer(step.RequiredText("prepend"))],
        "Strip" => [new StripNormalizer(step.Flag("strip_left") ?? throw step.Malformed("strip_left"), step.Flag("strip_right") ?? throw step.Malformed("strip_right"))],
        "Replace" when step.Pattern() is var (pattern, literal) => [new ReplaceNormalizer(pattern, literal, step.RequiredText("content"))],
        "ByteLevel" => [new ByteLevelNormalizer()],
        _ => throw step.Unknown(),
    };

    /// <summary>Reads the pre-tokenizers.</summary>
    /// <param name="step">The first, or null.</param>
    /// <param name="bytes">The model is to read pieces as bytes: the last step was ByteLevel.</param>
    public static IReadOnlyList<PreTokenizer> PreTokenizers(StepFields? step, out bool bytes)
    {
        StepFields[] steps = [.. Flatten(step)];
        bytes = steps is [.., { Type: "ByteLevel" }];
        return [.. steps.Select((s, i) => PreTokenizer(s, last: i + 1 == steps.Length))];
    }

    /// <summary>Reads the decode steps; returns what makes them.</summary>
    public static Func<IReadOnlyList<DecodeStep>>? DecodeSteps(StepFields? step)
    {
        if (step is null)
        {
            return null;
        }

        Func<DecodeStep>[] steps = [.. MakeDecodeSteps(step)];
        return () => [.. steps.Select(make => make())];
    }

    /// <summary>Reads the post-processors.</summary>
    public static PostProcessor PostProcessor(StepFields? step)
    {
        switch (step?.Type)
        {
            case null:
                return Pipeline.PostProcessor.None;
            case "Sequence":
                return step.Steps("processors").Select(PostProcessor).Aggregate(Pipeline.PostProcessor.None, (inner, outer) => inner.Within(outer));
            case "ByteLevel":
                // It only moves offsets.
                return Pipeline.PostProcessor.None;
            case "TemplateProcessing":
                return Template(step);
            case "BertProcessing" or "RobertaProcessing":
                return new([Named(step, "cls")], [Named(step, "sep")]);
            default:
                throw step.Unknown();
        }
    }

    private static IEnumerable<StepFields> Flatten(StepFields? step) => step is null ? [] : step.Type == "Sequence" ? step.Steps("pretokenizers").SelectMany(Flatten) : [step];

    private static PreTokenizer PreTokenizer(StepFields step, bool last) => step.Type switch
    {
        "Split" when step.Pattern() is var (pattern, _) => new SplitPreTokenizer(pattern, Behavior(step, step.RequiredText("behavior")), step.Flag("invert") ?? false),
        "Digits" => new CharacterPreTokenizer(UnicodeProperties.Numeric, step.Flag("individual_digits") ?? throw step.Malformed("individual_digits") ? SplitBehavior.Isolated : SplitBehavior.Contiguous),
        "Punctuation" => new CharacterPreTokenizer(UnicodeProperties.Punctuation, Behavior(step, step.Text("behavior") ?? "Isolated")),
        "Whitespace" => new WordPreTokenizer(),
        "WhitespaceSplit" => new CharacterPreTokenizer(UnicodeProperties.WhiteSpace, SplitBehavior.Removed),
        "CharDelimiterSplit" => new CharacterPreTokenizer(CodePointSet.Of(char.ConvertToUtf32(step.RequiredText("delimiter"), 0)), SplitBehavior.Removed),
        "ByteLevel" => new ByteLevelPreTokenizer(step.Flag("add_prefix_space") ?? throw step.Malformed("add_prefix_space"), step.Flag("use_regex") ?? true, write: !last),
        "Metaspace" => new MetaspacePreTokenizer(step.Character("replacement"), Scheme(step), step.Flag("split") ?? true),
        _ => throw step.Unknown(),
    };

    private static SplitBehavior Behavior(StepFields step, string name) => name switch
    {
        "Isolated" => SplitBehavior.Isolated,
        "Removed" => SplitBehavior.Removed,
        "Contiguous" => SplitBehavior.Contiguous,
        "MergedWithPrevious" => SplitBehavior.MergedWithPrevious,
        "MergedWithNext" => SplitBehavior.MergedWithNext,
        _ => throw step.Unknown($"behavior '{name}'"),
    };

    private static PrependScheme Scheme(StepFields step)
    {
        string scheme = step.Text("prepend_scheme") ?? (step.Flag("add_prefix_space") == false ? "never" : "always");
        if (step.Flag("add_prefix_space") == false && scheme != "never")
        {
            throw step.Unknown($"add_prefix_space false and prepend_scheme '{scheme}'");
        }

        return scheme switch
        {
            "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw step.Unknown($"prepend_scheme '{scheme}'"),
        };
    }

    private static IEnumerable<Func<DecodeStep>> MakeDecodeSteps(StepFields step)
    {
        switch (step.Type)
        {
            case "Sequence":
                return step.Steps("decoders").SelectMany(MakeDecodeSteps);
            case "ByteLevel":
                return [() => new ByteLevelDecodeStep()];
            case "ByteFallback":
                return [() => new ByteFallbackDecodeStep()];
            case "Fuse":
                return [() => new FuseDecodeStep()];
            case "Replace":
                (Patterns.Pattern pattern, string? literal) = step.Pattern();
                string content = step.RequiredText("content");
                return [() => new ReplaceDecodeStep(pattern, literal, content)];
            case "Strip":
                (char stripped, int start, int stop) = (step.Character("content"), step.Count("start"), step.Count("stop"));
                return [() => new StripDecodeStep(stripped, start, stop)];
            case "Metaspace":
                (char replacement, bool prepended) = (step.Character("replacement"), Scheme(step) != PrependScheme.Never);
                return [() => new MetaspaceDecodeStep(replacement, prepended)];
            default:
                throw step.Unknown();
        }
    }

    private static PostProcessor Template(StepFields step)
    {
        List<int> before = [], after = [];
        bool passed = false;
        foreach (JsonElement piece in step.Element("single").EnumerateArray())
        {
            if (piece.TryGetProperty("Sequence", out JsonElement sequence))
            {
                passed = sequence.GetProperty("id").GetString() == "A" && !passed ? true : throw step.Unknown("another sequence than one A in 'single'");
                continue;
            }

            string id = piece.GetProperty("SpecialToken").GetProperty("id").GetString()!;
            (passed ? after : before).AddRange(step.Element("special_tokens").GetProperty(id).GetProperty("ids").EnumerateArray().Select(e => e.GetInt32()));
        }

        return passed ? new(before, after) : throw step.Unknown("no sequence in 'single'");
    }

    private static int Named(StepFields step, string name) => step.Element(name) is { ValueKind: JsonValueKind.Array } pair && pair.GetArrayLength() == 2 ? pair[1].GetInt32() : throw step.Malformed(name);
}
