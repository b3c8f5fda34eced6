using System.Text.Json;
using System.Text.RegularExpressions;
using Portable.Tokenizers.Pipeline;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.Files;

/// <summary><c>vocab.json</c> and <c>merges.txt</c> of the GPT-2 kind, as OPT uses them.</summary>
internal static partial class ByteLevelFiles
{
    /// <summary>Reads a tokenizer.</summary>
    /// <param name="vocabulary">The bytes of vocab.json.</param>
    /// <param name="merges">The lines of merges.txt.</param>
    /// <param name="config">The small files beside them.</param>
    /// <exception cref="FormatException">A file is malformed.</exception>
    /// <exception cref="JsonException">vocab.json is no object of tokens and ids.</exception>
    public static PipelineParts Parse(byte[] vocabulary, IEnumerable<string> merges, TokenizerConfig config)
    {
        VocabularyReader reader = new(vocabulary.Length);
        Utf8JsonReader json = new(vocabulary);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject || !reader.Read(ref json, "vocab") || reader.Tokens.Count == 0)
        {
            throw new JsonException("not an object of tokens and ids");
        }

        TokenTable tokens = reader.Tokens;
        PairTable table = new();
        int rank = 0;
        foreach (string line in merges.Where(l => l.Length > 0 && !l.StartsWith("#version", StringComparison.Ordinal)))
        {
            string[] pair = line.Split(' ');
            int Id(string token) => tokens.Find(token) is >= 0 and int id ? id : throw new FormatException($"merge {rank} has '{token}', which is not in vocab.json");
            if (pair.Length != 2)
            {
                throw new FormatException($"'{(line.Length > 40 ? line[..40] : line)}' is no pair of tokens");
            }

            table.Set(Id(pair[0]), Id(pair[1]), rank++, Id(pair[0] + pair[1]));
        }

        // <s>, <pad>, </s>, <unk>, <|endoftext|>: what these files do not say, but every model of the kind has.
        for (int id = 0; id < tokens.Size; id++)
        {
            if (tokens.Text(id) is { } token && SpecialToken().IsMatch(token))
            {
                config.Special.Add(token);
            }
        }

        return new PipelineParts
        {
            Added = SentencePieceFile.Added(config, tokens.Find, tokens.Size),
            Normalizers = [],
            PreTokenizers = [new ByteLevelPreTokenizer(prefixSpace: false, split: true, write: false)],
            Model = new BytePairEncoder(tokens, table, new() { Bytes = true }),
            Bytes = true,
            DecodeSteps = () => [new ByteLevelDecodeStep()],
            PostProcessor = PostProcessor.None,
        };
    }

    [GeneratedRegex(@"^<(\|?)/?[A-Za-z_]+\1>$")]
    private static partial Regex SpecialToken();
}
