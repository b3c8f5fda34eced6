using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Tokenizers;

namespace Portable.Tokenizers;

/// <summary>`vocab.json` and `merges.txt` of the GPT-2 kind, as OPT uses them.</summary>
internal sealed partial class ByteLevelBpe : ITokenizer
{
    private readonly BpeTokenizer _tokenizer;
    private readonly TokenBytes _bytes;

    public ByteLevelBpe(Stream vocabulary, IEnumerable<string> merges)
    {
        Dictionary<string, int> ids = JsonSerializer.Deserialize<Dictionary<string, int>>(vocabulary) ?? throw new JsonException("not an object of tokens and ids");
        if (ids.Count == 0 || ids.Values.Min() < 0 || ids.Values.Max() >= 16_777_216)
        {
            throw new JsonException("empty, or an id is out of range");
        }

        string[] pairs = merges.Where(line => line.Length > 0 && !line.StartsWith("#version", StringComparison.Ordinal)).ToArray();
        if (pairs.FirstOrDefault(line => line.Split(' ').Length != 2) is { } bad)
        {
            throw new FormatException($"'{(bad.Length > 40 ? bad[..40] : bad)}' is no pair of tokens");
        }

        _tokenizer = BpeTokenizer.Create(new BpeOptions(ids)
        {
            Merges = pairs,
            ByteLevel = true,
            PreTokenizer = new RegexPreTokenizer(Words(), null),
        });
        // <s>, <pad>, </s>, <unk>, <|endoftext|>: no byte-level token has both brackets around letters alone.
        HashSet<int> special = [.. ids.Where(p => SpecialToken().IsMatch(p.Key)).Select(p => p.Value)];
        _bytes = TokenBytes.ByteLevel(ids, special);
    }

    public int VocabularySize => _bytes.Count;

    public int[] Encode(string text) => [.. _tokenizer.EncodeToIds(text)];

    public string Decode(ReadOnlySpan<int> ids) => _bytes.Decode(ids);

    public ReadOnlySpan<byte> Bytes(int id) => _bytes[id];

    /// <summary>GPT-2's words: contractions, letters, digits and other signs each with a leading space, and runs of spaces.</summary>
    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")]
    internal static partial Regex Words();

    [GeneratedRegex(@"^<(\|?)/?[A-Za-z_]+\1>$")]
    private static partial Regex SpecialToken();
}
