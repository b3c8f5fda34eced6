using System.Globalization;
using System.Text;

namespace Portable.Tokenizers;

/// <summary>The bytes of every token of a vocabulary.</summary>
internal sealed class TokenBytes
{
    private readonly byte[][] _bytes;

    private TokenBytes(byte[][] bytes) => _bytes = bytes;

    public int Count => _bytes.Length;

    public ReadOnlySpan<byte> this[int id] => (uint)id < (uint)_bytes.Length ? _bytes[id] : [];

    /// <summary>Tokens written in GPT-2's byte alphabet; special ones add nothing.</summary>
    public static TokenBytes ByteLevel(IEnumerable<KeyValuePair<string, int>> vocabulary, IReadOnlySet<int> special) =>
        Build(vocabulary, special, token => ByteAlphabet.Bytes(token) ?? Encoding.UTF8.GetBytes(token));

    /// <summary>SentencePiece pieces: ▁ is a space, &lt;0x41&gt; a byte; special ones add nothing.</summary>
    public static TokenBytes Metaspace(IEnumerable<KeyValuePair<string, int>> vocabulary, IReadOnlySet<int> special) =>
        Build(vocabulary, special, token => ByteOf(token) is { } value ? [value] : Encoding.UTF8.GetBytes(token.Replace('▁', ' ')));

    /// <summary>The byte of a piece like &lt;0x41&gt;, or null.</summary>
    public static byte? ByteOf(string piece) =>
        piece.Length == 6 && piece.StartsWith("<0x", StringComparison.Ordinal) && piece[5] == '>'
        && byte.TryParse(piece.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value) ? value : null;

    /// <summary>The text of ids.</summary>
    public string Decode(ReadOnlySpan<int> ids)
    {
        List<byte> bytes = [];
        foreach (int id in ids)
        {
            bytes.AddRange(this[id]);
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }

    private static TokenBytes Build(IEnumerable<KeyValuePair<string, int>> vocabulary, IReadOnlySet<int> special, Func<string, byte[]> convert)
    {
        List<byte[]> bytes = [];
        foreach ((string token, int id) in vocabulary)
        {
            while (bytes.Count <= id)
            {
                bytes.Add([]);
            }

            bytes[id] = special.Contains(id) ? [] : convert(token);
        }

        return new TokenBytes([.. bytes]);
    }
}
