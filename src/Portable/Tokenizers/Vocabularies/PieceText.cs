using System.Globalization;
using System.Text;

namespace Portable.Tokenizers.Vocabularies;

/// <summary>What a piece of the SentencePiece kind stands for.</summary>
internal static class PieceText
{
    /// <summary>A piece like &lt;0x41&gt; is a byte, every other its text with ▁ as space.</summary>
    public static byte[] Bytes(string piece) =>
        piece.Length == 6 && piece.StartsWith("<0x", StringComparison.Ordinal) && piece[5] == '>'
        && byte.TryParse(piece.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value)
            ? [value] : Encoding.UTF8.GetBytes(piece.Replace('\u2581', ' '));
}
