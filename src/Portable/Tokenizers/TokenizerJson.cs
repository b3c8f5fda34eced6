using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Portable.Checkpoints;

namespace Portable.Tokenizers;

/// <summary>
/// `tokenizer.json` of the BPE kind: byte-level (GPT-2, Llama 3, Qwen2) and metaspace (Llama 2, Mistral). Every part of the
/// pipeline that is not known is an error: a tokenizer that is almost right is wrong.
/// </summary>
internal sealed class TokenizerJson : ITokenizer
{
    private readonly Dictionary<string, int> _vocabulary;
    private readonly BytePairMerger _merger;
    private readonly TokenBytes _bytes;
    private readonly List<Regex> _splits = [];
    private readonly bool _byteLevel, _ignoreMerges, _compose, _prefixSpace;
    private readonly int? _unknown;

    private TokenizerJson(string file, JsonElement root)
    {
        JsonElement model = root.GetProperty("model");
        Expect(file, "model.type", Text(model, "type") ?? "BPE", "BPE");
        Refuse(file, model, "continuing_subword_prefix", "end_of_word_suffix");
        if (model.TryGetProperty("dropout", out JsonElement dropout) && dropout.ValueKind == JsonValueKind.Number && dropout.GetDouble() != 0)
        {
            throw new CheckpointException(file, "model.dropout is not supported");
        }

        _vocabulary = model.GetProperty("vocab").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetInt32());
        Dictionary<(string, string), int> ranks = [];
        foreach (JsonElement merge in model.GetProperty("merges").EnumerateArray())
        {
            string[] pair = merge.ValueKind == JsonValueKind.String ? merge.GetString()!.Split(' ') : [.. merge.EnumerateArray().Select(e => e.GetString()!)];
            if (pair.Length != 2)
            {
                throw new CheckpointException(file, $"merge {ranks.Count} is no pair of tokens");
            }

            ranks.TryAdd((pair[0], pair[1]), ranks.Count);
        }

        _ignoreMerges = Flag(model, "ignore_merges");
        bool byteFallback = Flag(model, "byte_fallback");
        _unknown = Text(model, "unk_token") is { } unknown && _vocabulary.TryGetValue(unknown, out int id) ? id : null;
        HashSet<int> special = [];
        List<KeyValuePair<string, int>> all = [.. _vocabulary];
        if (root.TryGetProperty("added_tokens", out JsonElement added) && added.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement token in added.EnumerateArray())
            {
                all.Add(new(token.GetProperty("content").GetString()!, token.GetProperty("id").GetInt32()));
                if (Flag(token, "special"))
                {
                    special.Add(token.GetProperty("id").GetInt32());
                }
            }
        }

        bool metaspace = false;
        foreach (JsonElement normalizer in Steps(root, "normalizer", "normalizers"))
        {
            switch (Text(normalizer, "type"))
            {
                case "NFC":
                    _compose = true;
                    break;
                case "Prepend" when Text(normalizer, "prepend") == "▁":
                    _prefixSpace = metaspace = true;
                    break;
                case "Replace" when normalizer.GetProperty("pattern").TryGetProperty("String", out JsonElement from) && from.GetString() == " " && Text(normalizer, "content") == "▁":
                    metaspace = true;
                    break;
                default:
                    throw new CheckpointException(file, $"normalizer '{Text(normalizer, "type")}' is not supported");
            }
        }

        foreach (JsonElement step in Steps(root, "pre_tokenizer", "pretokenizers"))
        {
            switch (Text(step, "type"))
            {
                case "ByteLevel":
                    _byteLevel = true;
                    _prefixSpace = Flag(step, "add_prefix_space");
                    if (!step.TryGetProperty("use_regex", out JsonElement use) || use.GetBoolean())
                    {
                        _splits.Add(ByteLevelBpe.Words());
                    }

                    break;
                case "Split" when step.GetProperty("pattern").TryGetProperty("Regex", out JsonElement pattern) && Text(step, "behavior") == "Isolated" && !Flag(step, "invert"):
                    _splits.Add(new Regex(pattern.GetString()!, RegexOptions.CultureInvariant));
                    break;
                case "Metaspace" when Text(step, "replacement") is null or "▁":
                    metaspace = true;
                    _prefixSpace = Text(step, "prepend_scheme") is { } scheme ? scheme is "always" or "first" : !step.TryGetProperty("add_prefix_space", out JsonElement prefix) || prefix.GetBoolean();
                    break;
                default:
                    throw new CheckpointException(file, $"pre-tokenizer '{Text(step, "type")}' is not supported");
            }
        }

        if (_byteLevel == metaspace)
        {
            throw new CheckpointException(file, "the pipeline is neither byte-level nor metaspace BPE, the two kinds that are supported");
        }

        if (metaspace && !byteFallback && _unknown is null)
        {
            throw new CheckpointException(file, "a metaspace tokenizer needs byte_fallback or unk_token");
        }

        _merger = new BytePairMerger(_vocabulary, ranks);
        _bytes = _byteLevel ? TokenBytes.ByteLevel(all, special) : TokenBytes.Metaspace(all, special);
    }

    public int VocabularySize => _bytes.Count;

    /// <summary>Reads a tokenizer.</summary>
    /// <exception cref="CheckpointException">A part of the pipeline is not supported.</exception>
    public static TokenizerJson Parse(string file, Stream stream)
    {
        using JsonDocument document = JsonDocument.Parse(stream);
        return new TokenizerJson(file, document.RootElement);
    }

    public int[] Encode(string text)
    {
        List<int> ids = [];
        if (text.Length == 0)
        {
            return [];
        }

        text = _compose ? CanonicalComposition.Compose(text) : text;
        text = _prefixSpace && !(_byteLevel && text.StartsWith(' ')) ? " " + text : text;
        foreach (string word in Split(text, 0))
        {
            string symbols = _byteLevel ? string.Concat(Encoding.UTF8.GetBytes(word).Select(b => ByteAlphabet.Character(b))) : word.Replace(' ', '▁');
            if (_ignoreMerges && _vocabulary.TryGetValue(symbols, out int whole))
            {
                ids.Add(whole);
                continue;
            }

            _merger.Merge([.. symbols.EnumerateRunes().Select(r => r.ToString())], ids, Unknown);
        }

        return [.. ids];
    }

    public string Decode(ReadOnlySpan<int> ids)
    {
        string text = _bytes.Decode(ids);
        return _prefixSpace && text.StartsWith(' ') ? text[1..] : text;
    }

    public ReadOnlySpan<byte> Bytes(int id) => _bytes[id];

    private void Unknown(string symbol, List<int> ids)
    {
        // Byte fallback: every byte of the symbol as a piece of its own; without those pieces, one unknown token.
        int[] bytes = [.. Encoding.UTF8.GetBytes(symbol).Select(b => _vocabulary.GetValueOrDefault($"<0x{b:X2}>", -1))];
        if (!bytes.Contains(-1))
        {
            ids.AddRange(bytes);
        }
        else if (_unknown is { } unknown)
        {
            ids.Add(unknown);
        }
    }

    private IEnumerable<string> Split(string text, int step)
    {
        if (step == _splits.Count)
        {
            yield return text;
            yield break;
        }

        int end = 0;
        foreach (Match match in _splits[step].Matches(text))
        {
            foreach ((int start, int stop) in new[] { (end, match.Index), (match.Index, match.Index + match.Length) })
            {
                if (stop > start)
                {
                    foreach (string part in Split(text[start..stop], step + 1))
                    {
                        yield return part;
                    }
                }
            }

            end = match.Index + match.Length;
        }

        if (end < text.Length)
        {
            foreach (string part in Split(text[end..], step + 1))
            {
                yield return part;
            }
        }
    }

    private static IEnumerable<JsonElement> Steps(JsonElement root, string name, string list)
    {
        if (!root.TryGetProperty(name, out JsonElement step) || step.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        return Text(step, "type") == "Sequence" ? step.GetProperty(list).EnumerateArray() : [step];
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static bool Flag(JsonElement element, string name) => element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.True;

    private static void Expect(string file, string what, string value, string expected)
    {
        if (value != expected)
        {
            throw new CheckpointException(file, $"{what} '{value}' is not supported, only {expected}");
        }
    }

    private static void Refuse(string file, JsonElement element, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (!string.IsNullOrEmpty(Text(element, name)))
            {
                throw new CheckpointException(file, $"model.{name} is not supported");
            }
        }
    }
}
