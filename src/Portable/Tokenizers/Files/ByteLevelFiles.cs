using System.Text.Json;
using System.Text.RegularExpressions;
using Portable.Tokenizers.Pipeline;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.Files;

/// <summary><c>vocab.json</c> and <c>merges.txt</c> of the GPT-2 kind, as OPT uses them.</summary>
internal static partial class ByteLevelFiles
{
    // Every token of several characters is what some merge makes, but for special ones and for a few words that models of the
    // kind fill their tables with (OPT's madeupword0000 … 2). More of them: the end of the list is missing.
    private const int MostUnreached = 8;

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

    private static void RequireReached(TokenTable tokens, bool[] made, TokenizerConfig config)
    {
        int[] unreached = [.. Enumerable.Range(0, tokens.Size).Where(id => !made[id] && tokens.Text(id) is { Length: > 1 } token && !config.Special.Contains(token) && !config.Added.ContainsKey(token))];
        if (unreached.Length > MostUnreached)
        {
            throw new FormatException($"no merge makes {unreached.Length} tokens of vocab.json, '{tokens.Text(unreached[0])}' the first of them; its end is missing, or it belongs to another vocabulary");
        }
    }

    [GeneratedRegex(@"^<(\|?)/?[A-Za-z_]+\1>$")]
    private static partial Regex SpecialToken();
}
