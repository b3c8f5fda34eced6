using Portable.Tokenizers.Pipeline;
using Portable.Tokenizers.SentencePieces;

namespace Portable.Tokenizers.Files;

/// <summary>A <c>tokenizer.model</c>: SentencePiece's, or something else of that name.</summary>
internal static class SentencePieceFile
{
    private static readonly string[] Roles = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>Reads a model.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static SentencePieceModel Parse(ReadOnlySpan<byte> bytes)
    {
        // A message of pieces begins with field 1, a tiktoken vocabulary with base64.
        bool text = bytes.Length > 0 && !bytes[..Math.Min(bytes.Length, 64)].ContainsAnyExceptInRange((byte)'\n', (byte)'~') && bytes[..Math.Min(bytes.Length, 4096)].Contains((byte)' ');
        return text ? throw new FormatException("a tiktoken vocabulary does not say how text is cut; tokenizer.json is needed beside it") : SentencePieceModel.Parse(bytes);
    }

    /// <summary>
    /// The tokens that the files beside a vocabulary add: those with ids; special tokens that are named, with the id that the
    /// vocabulary has for them, or behind it.
    /// </summary>
    /// <param name="config">Those files.</param>
    /// <param name="find">The vocabulary's id of a token, or −1.</param>
    /// <param name="size">Number of ids of the vocabulary.</param>
    public static IReadOnlyList<AddedToken> Added(TokenizerConfig config, Func<string, int> find, int size)
    {
        List<AddedToken> added = [.. config.Added.Values.Select(t => t with { Special = t.Special || config.Special.Contains(t.Content), Normalized = false })];
        int next = Math.Max(size, added.Select(t => t.Id + 1).DefaultIfEmpty(0).Max());
        foreach (string content in Roles.Select(r => config.Named.GetValueOrDefault(r)).OfType<string>().Concat(config.Special.Order(StringComparer.Ordinal)).Distinct())
        {
            if (!config.Added.ContainsKey(content))
            {
                added.Add(new(content, find(content) is >= 0 and int id ? id : next++) { Special = true });
            }
        }

        return added;
    }
}
