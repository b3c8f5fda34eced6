using System.Text;

namespace Portable.Tokenizers.Vocabularies;

/// <summary>
/// GPT-2's printable alphabet for bytes: printable Latin-1 stands for itself, the other bytes are the characters from
/// U+0100 on, in order (Radford et al., 2019; so a space is Ġ, a line feed Ċ).
/// </summary>
internal static class ByteAlphabet
{
    private const int Size = 0x144;

    private static readonly char[] Characters = Build();
    private static readonly short[] Back = Invert();

    /// <summary>The character of a byte.</summary>
    public static char Character(byte value) => Characters[value];

    /// <summary>The UTF-8 of a text, in the alphabet.</summary>
    public static string Write(ReadOnlySpan<char> text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        int count = Encoding.UTF8.GetBytes(text, bytes);
        return string.Create(count, bytes, (span, from) =>
        {
            for (int i = 0; i < span.Length; i++)
            {
                span[i] = Characters[from[i]];
            }
        });
    }

    /// <summary>The bytes that a token means: those of the alphabet, or its UTF-8 where a character is not of the alphabet.</summary>
    public static byte[] Read(string token)
    {
        byte[] bytes = new byte[token.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            if (token[i] >= Size || Back[token[i]] < 0)
            {
                return Encoding.UTF8.GetBytes(token);
            }

            bytes[i] = (byte)Back[token[i]];
        }

        return bytes;
    }

    private static char[] Build()
    {
        char[] characters = new char[256];
        int next = 256;
        for (int i = 0; i < 256; i++)
        {
            bool printable = i is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
            characters[i] = printable ? (char)i : (char)next++;
        }

        return characters;
    }

    private static short[] Invert()
    {
        short[] back = new short[Size];
        Array.Fill(back, (short)-1);
        for (int i = 0; i < 256; i++)
        {
            back[Characters[i]] = (short)i;
        }

        return back;
    }
}
