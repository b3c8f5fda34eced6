using System.Text;
using System.Text.Json;
using Portable.Checkpoints;
using Portable.Tokenizers.Pipeline;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.Files;

/// <summary>Reads a <c>tokenizer.json</c> of the tokenizers package; vocabulary and merges, which make most of it, token by token.</summary>
internal sealed class TokenizerJson
{
    private readonly string _file;
    private readonly Dictionary<string, JsonElement> _root = [], _model = [];
    private readonly VocabularyReader _vocabulary;

    private TokenizerJson(string file, int length) => (_file, _vocabulary) = (file, new(length));

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="file">Its name, for errors.</param>
    /// <param name="json">Its bytes.</param>
    /// <exception cref="CheckpointException">A part of the pipeline is not supported, or malformed.</exception>
    /// <exception cref="JsonException">It is no JSON.</exception>
    public static PipelineParts Parse(string file, ReadOnlySpan<byte> json)
    {
        TokenizerJson tokenizer = new(file, json.Length);
        tokenizer.Read(json);
        return tokenizer.Build();
    }

    private void Read(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json.StartsWith("\uFEFF"u8) ? json[3..] : json);
        ReadObject(ref reader, (ref Utf8JsonReader r, string name) =>
        {
            if (name == "model" && r.TokenType == JsonTokenType.StartObject)
            {
                ReadObject(ref r, (ref Utf8JsonReader m, string part) =>
                {
                    if (!_vocabulary.Read(ref m, part))
                    {
                        _model[part] = JsonElement.ParseValue(ref m);
                    }
                });
            }
            else
            {
                _root[name] = JsonElement.ParseValue(ref r);
            }
        });
    }

    private delegate void PropertyReader(ref Utf8JsonReader reader, string name);

    private static void ReadObject(ref Utf8JsonReader reader, PropertyReader property)
    {
        if (reader.TokenType == JsonTokenType.None)
        {
            reader.Read();
        }

        if (reader.TokenType != JsonTokenType.StartObject)
        {
            throw new JsonException("not an object");
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            string name = reader.GetString()!;
            reader.Read();
            property(ref reader, name);
        }
    }

    private PipelineParts Build()
    {
        IReadOnlyList<Normalizer> normalizers = PipelineReader.Normalizers(Step("normalizer", "normalizer"));
        IReadOnlyList<PreTokenizer> preTokenizers = PipelineReader.PreTokenizers(Step("pre_tokenizer", "pre-tokenizer"), out bool bytes);
        IPieceEncoder model = Model(bytes);
        return new PipelineParts
        {
            Added = Added(model.Tokens),
            Normalizers = normalizers,
            PreTokenizers = preTokenizers,
            Model = model,
            Bytes = bytes,
            DecodeSteps = PipelineReader.DecodeSteps(Step("decoder", "decoder")),
            PostProcessor = PipelineReader.PostProcessor(Step("post_processor", "post-processor")),
        };
    }

    private IPieceEncoder Model(bool bytes)
    {
        string type = Value("type") is { ValueKind: JsonValueKind.String } stated ? stated.GetString()! : _vocabulary.Scores is null ? "BPE" : "Unigram";
        return type switch
        {
            "BPE" => BytePair(bytes),
            "Unigram" => bytes ? throw Error("a Unigram model over bytes is not supported") : Unigram(),
            _ => throw Error($"model '{type}' is not supported, only BPE and Unigram are"),
        };
    }

    private BytePairEncoder BytePair(bool bytes)
    {
        foreach (string name in (string[])["continuing_subword_prefix", "end_of_word_suffix"])
        {
            if (Value(name) is { ValueKind: JsonValueKind.String } value && value.GetString() != "")
            {
                throw Error($"model.{name} is not supported");
            }
        }

        if (Value("dropout") is { ValueKind: JsonValueKind.Number } dropout && dropout.GetDouble() != 0)
        {
            throw Error("model.dropout is not supported");
        }

        if (_vocabulary.Merges is not { } merges || _vocabulary.Scores is not null)
        {
            throw Error("model has no proper vocab and merges");
        }

        return new(_vocabulary.Tokens, merges, new()
        {
            Bytes = bytes,
            UnknownToken = Value("unk_token") is { ValueKind: JsonValueKind.String } unknown ? unknown.GetString() : null,
            FuseUnknown = Flag("fuse_unk"),
            ByteFallback = Flag("byte_fallback"),
            IgnoreMerges = Flag("ignore_merges"),
        });
    }

    private UnigramEncoder Unigram()
    {
        if (_vocabulary.Scores is not { Count: > 0 } scores)
        {
            throw Error("model has no proper vocab");
        }

        int unknown = Value("unk_id") is { ValueKind: JsonValueKind.Number } id ? id.GetInt32() : -1;
        return unknown < scores.Count ? new(_vocabulary.Tokens, [.. scores], unknown, Flag("byte_fallback")) : throw Error($"model.unk_id {unknown} is outside the vocabulary");
    }

    /// <summary>
    /// Added tokens: one that the vocabulary has has its id; others are numbered behind it, in the order of the file. The ids
    /// that the file states beside them are not read: so the package has it.
    /// </summary>
    private List<AddedToken> Added(TokenTable tokens)
    {
        List<AddedToken> added = [];
        Dictionary<string, int> ids = [];
        int next = tokens.Count;
        if (_root.GetValueOrDefault("added_tokens") is not { ValueKind: JsonValueKind.Array } list)
        {
            return added;
        }

        foreach (JsonElement element in list.EnumerateArray())
        {
            StepFields fields = new(_file, "added token", element);
            string content = fields.RequiredText("content");
            if (content.Length == 0)
            {
                continue;
            }

            if (!ids.TryGetValue(content, out int id))
            {
                id = tokens.Find(content) is >= 0 and int known ? known : next++;
                ids.Add(content, id);
            }

            added.Add(TokenizerConfig.ReadAdded(fields, content, id));
        }

        return added;
    }

    private StepFields? Step(string name, string kind) => _root.GetValueOrDefault(name) is { ValueKind: JsonValueKind.Object } element ? new StepFields(_file, kind, element) : null;

    private JsonElement? Value(string name) => _model.TryGetValue(name, out JsonElement value) ? value : null;

    private bool Flag(string name) => Value(name) is { ValueKind: JsonValueKind.True };

    private CheckpointException Error(string message) => new(_file, message);
}
