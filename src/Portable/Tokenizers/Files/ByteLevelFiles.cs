using System.Text.Json;
using System.Text.RegularExpressions;
using Portable.Tokenizers.Pipeline;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.Files;

/// <summary><c>vocab.json</c> and <c>merges.txt</c> of the GPT-2 kind, as OPT uses them.</summary>
internal static partial class ByteLevelFiles
{
    /// <summary>Reads the vocabulary.</summary>
    /// <param name="vocabulary">The bytes of vocab.json.</param>
    /// <exception cref="FormatException">An id is out of range.</exception>
    /// <exception cref="JsonException">It is no object of tokens and ids.</exception>
    public static TokenTable Vocabulary(ReadOnlySpan<byte> vocabulary)
    {
        VocabularyReader reader = new(vocabulary.Length);
        Utf8JsonReader json = new(vocabulary);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject || !reader.Read(ref json, "vocab") || reader.Tokens.Count == 0)
        {
            throw new JsonException("not an object of tokens and ids");
        }

        return reader.Tokens;
    }

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="tokens">The vocabulary.</param>
    /// <param name="merges">The lines of merges.txt.</param>
    /// <param name="config">The small files beside them.</param>
    /// <exception cref="FormatException">merges.txt is malformed, or does not make the tokens of the vocabulary.</exception>
    public static PipelineParts Parse(TokenTable tokens, IEnumerable<string> merges, TokenizerConfig config)
    {
        PairTable table = new();
        bool[] made = new bool[tokens.Size];
        int rank = 0;
        foreach (string line in merges.Where(l => l.Length > 0 && !l.StartsWith("#version", StringComparison.Ordinal)))
        {
            string[] pair = line.Split(' ');
            int Id(string token) => tokens.Find(token) is >= 0 and int id ? id : throw new FormatException($"merge {rank} has '{token}', which is not in vocab.json");
            if (pair.Length != 2)
            {
                throw new FormatException($"'{(line.Length > 40 ? line[..40] : line)}' is no pair of tokens");
            }

            int whole = Id(pair[0] + pair[1]);
            table.Set(Id(pair[0]), Id(pair[1]), rank++, whole);
            made[whole] = true;
        }

        if (rank == 0)
        {
            throw new FormatException("it holds no merge");
        }

        // <s>, <pad>, </s>, <unk>, <|endoftext|>: what these files do not say, but every model of the kind has.
        for (int id = 0; id < tokens.Size; id++)
        {
            if (tokens.Text(id) is { } token && SpecialToken().IsMatch(token))
            {
                config.Special.Add(token);
            }
        }

        RequireReached(tokens, made, config);

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

    // Every token of several characters is what some merge makes. Special ones are not, nor are words that models of the kind fill
    // their tables with (OPT's madeupword0000 … 2): no merge could make those, for they are no two tokens side by side.
    private static void RequireReached(TokenTable tokens, bool[] made, TokenizerConfig config)
    {
        string[] unreached = [.. Enumerable.Range(0, tokens.Size).Where(id => !made[id]).Select(tokens.Text).OfType<string>().Where(t => t.Length > 1 && !config.Special.Contains(t) && !config.Added.ContainsKey(t) && IsPair(t))];
        if (unreached.Length > 0)
        {
            string which = unreached.Length == 1 ? $"the token '{unreached[0]}'" : $"{unreached.Length} tokens";
            throw new FormatException($"no merge makes {which} of vocab.json{(unreached.Length == 1 ? "" : $", '{unreached[0]}' the first of them")}; its end is missing, or it belongs to another vocabulary");
        }

        bool IsPair(string token) => Enumerable.Range(1, token.Length - 1).Any(cut => tokens.Find(token[..cut]) >= 0 && tokens.Find(token[cut..]) >= 0);
    }

    [GeneratedRegex(@"^<(\|?)/?[A-Za-z_]+\1>$")]
    private static partial Regex SpecialToken();
}
