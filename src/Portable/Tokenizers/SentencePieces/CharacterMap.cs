using System.Buffers.Binary;

namespace Portable.Tokenizers.SentencePieces;

/// <summary>
/// SentencePiece's compiled map of characters (for example NFKC): a double-array trie of what is replaced, then the
/// replacements, each ended by a zero byte.
/// </summary>
internal sealed class CharacterMap
{
    private readonly uint[] _units;
    private readonly byte[] _replacements;

    /// <summary>Reads a map.</summary>
    /// <exception cref="FormatException">It is malformed.</exception>
    public CharacterMap(ReadOnlySpan<byte> compiled)
    {
        uint size = compiled.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(compiled) : uint.MaxValue;
        if (size % 4 != 0 || size == 0 || size > compiled.Length - 4)
        {
            throw new FormatException("its map of characters is malformed");
        }

        _units = new uint[size / 4];
        for (int i = 0; i < _units.Length; i++)
        {
            _units[i] = BinaryPrimitives.ReadUInt32LittleEndian(compiled[(4 + (4 * i))..]);
        }

        _replacements = compiled[(4 + (int)size)..].ToArray();
    }

    /// <summary>The longest start of a text that is replaced, and by what; length 0: none.</summary>
    public int Match(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> replacement)
    {
        int length = 0;
        uint value = 0, node = Offset(_units[0]);
        for (int i = 0; i < text.Length; i++)
        {
            node ^= text[i];
            if (node >= _units.Length || (_units[node] & 0x800000FF) != text[i])
            {
                break;
            }

            uint unit = _units[node];
            node ^= Offset(unit);
            if ((unit & 0x100) != 0 && node < _units.Length)
            {
                (length, value) = (i + 1, _units[node] & 0x7FFFFFFF);
            }
        }

        replacement = length > 0 && value < _replacements.Length ? _replacements.AsSpan((int)value) : default;
        replacement = replacement.IndexOf((byte)0) is >= 0 and int end ? replacement[..end] : replacement;
        return length;
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);
}
