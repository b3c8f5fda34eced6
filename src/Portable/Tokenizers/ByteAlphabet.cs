namespace Portable.Tokenizers;

/// <summary>
/// GPT-2's printable alphabet for bytes: printable Latin-1 stands for itself, the other bytes are the characters from
/// U+0100 on, in order (Radford et al., 2019; so a space is Ġ, a line feed Ċ).
/// </summary>
internal static class ByteAlphabet
{
    private static readonly char[] Characters = Build();
    private static readonly Dictionary<char, byte> Back = Characters.Select((c, i) => (c, i)).ToDictionary(p => p.c, p => (byte)p.i);

    /// <summary>The character of a byte.</summary>
    public static char Character(byte value) => Characters[value];

    /// <summary>The bytes of a token's text, or null where a character is not of the alphabet.</summary>
    public static byte[]? Bytes(string token)
    {
        byte[] bytes = new byte[token.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            if (!Back.TryGetValue(token[i], out bytes[i]))
            {
                return null;
            }
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
}
