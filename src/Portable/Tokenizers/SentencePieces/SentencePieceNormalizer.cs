using System.Text;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.SentencePieces;

/// <summary>What SentencePiece does to a text before it cuts it: its map of characters, spaces as ▁, a space in front.</summary>
/// <param name="model">The model.</param>
/// <param name="userDefined">Texts of user-defined pieces, which the map leaves alone.</param>
internal sealed class SentencePieceNormalizer(SentencePieceModel model, ByteTrie userDefined)
{
    /// <summary>▁</summary>
    public static ReadOnlySpan<byte> Metaspace => "\u2581"u8;

    private readonly CharacterMap? _map = model.CharacterMap.Length > 0 ? new CharacterMap(model.CharacterMap) : null;

    /// <summary>The normalized text.</summary>
    /// <param name="text">Valid UTF-8.</param>
    /// <param name="begins">Whether a space may be put in front of it (or behind).</param>
    public byte[] Normalize(ReadOnlySpan<byte> text, bool begins)
    {
        if (model.RemoveExtraWhitespaces)
        {
            while (!text.IsEmpty && Prefix(text, out ReadOnlySpan<byte> first) is int length && first.SequenceEqual(" "u8))
            {
                text = text[length..];
            }
        }

        if (text.IsEmpty)
        {
            return [];
        }

        ByteBuffer result = new(text.Length + (text.Length / 2) + 8);
        ReadOnlySpan<byte> space = model.EscapeWhitespaces ? Metaspace : " "u8;
        if (begins && model.AddDummyPrefix && !model.WhitespaceIsSuffix)
        {
            result.Add(space);
        }

        for (bool afterSpace = model.RemoveExtraWhitespaces; !text.IsEmpty;)
        {
            int length = Prefix(text, out ReadOnlySpan<byte> normal);
            while (afterSpace && normal.StartsWith(" "u8))
            {
                normal = normal[1..];
            }

            if (!normal.IsEmpty)
            {
                foreach (byte b in normal)
                {
                    if (b == ' ')
                    {
                        result.Add(space);
                    }
                    else
                    {
                        result.Add(b);
                    }
                }

                afterSpace = normal.EndsWith(" "u8);
            }

            afterSpace &= model.RemoveExtraWhitespaces;
            text = text[length..];
        }

        while (model.RemoveExtraWhitespaces && result.Written.EndsWith(space))
        {
            result.Drop(space.Length);
        }

        if (begins && model.AddDummyPrefix && model.WhitespaceIsSuffix)
        {
            result.Add(space);
        }

        return result.Written.ToArray();
    }

    /// <summary>What a start of a text is normalized to, and its length in bytes.</summary>
    private int Prefix(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> normal)
    {
        int length = userDefined.LongestPrefix(text);
        if (length == 0)
        {
            if (_map is not null && (length = _map.Match(text, out normal)) > 0)
            {
                return length;
            }

            Rune.DecodeFromUtf8(text, out _, out length);
        }

        normal = text[..length];
        return length;
    }

    /// <summary>Bytes that grow.</summary>
    private sealed class ByteBuffer(int capacity)
    {
        private byte[] _bytes = new byte[capacity];
        private int _count;

        public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _count);

        public void Add(ReadOnlySpan<byte> bytes)
        {
            if (_count + bytes.Length > _bytes.Length)
            {
                Array.Resize(ref _bytes, (_count + bytes.Length) * 2);
            }

            bytes.CopyTo(_bytes.AsSpan(_count));
            _count += bytes.Length;
        }

        public void Add(byte value) => Add([value]);

        public void Drop(int count) => _count -= count;
    }
}
