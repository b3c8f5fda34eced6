using System.Globalization;
using System.Text;
using Portable.Tokenizers.Patterns;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.Pipeline;

/// <summary>Bytes in GPT-2's alphabet back to text; what is no UTF-8 is U+FFFD. All tokens become one.</summary>
internal sealed class ByteLevelDecodeStep : WholeTokenStep
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private bool _began;

    public override void Flush() => Decode([], ends: true);

    protected override void Push(string token) => Decode(ByteAlphabet.Read(token), ends: false);

    private void Decode(ReadOnlySpan<byte> bytes, bool ends)
    {
        char[] text = new char[_decoder.GetCharCount(bytes, ends)];
        _decoder.GetChars(bytes, text, ends);
        Output(new(new string(text), !_began, ends));
        _began = true;
    }
}

/// <summary>Tokens like &lt;0x41&gt; are bytes: a run of them is its text, or U+FFFD for each where it is no UTF-8.</summary>
internal sealed class ByteFallbackDecodeStep : WholeTokenStep
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private readonly List<byte> _bytes = [];

    public override void Flush()
    {
        if (_bytes.Count == 0)
        {
            return;
        }

        byte[] bytes = [.. _bytes];
        _bytes.Clear();
        try
        {
            Output(TokenPart.Whole(Strict.GetString(bytes)));
        }
        catch (DecoderFallbackException)
        {
            for (int i = 0; i < bytes.Length; i++)
            {
                Output(TokenPart.Whole("\uFFFD"));
            }
        }
    }

    protected override void Push(string token)
    {
        if (ByteOf(token) is { } value)
        {
            _bytes.Add(value);
            return;
        }

        Flush();
        Output(TokenPart.Whole(token));
    }

    // The package reads two characters as a number, so one digit behind a plus sign is a byte too.
    private static byte? ByteOf(string token)
    {
        if (token.Length != 6 || !token.StartsWith("<0x", StringComparison.Ordinal) || token[5] != '>')
        {
            return null;
        }

        ReadOnlySpan<char> digits = token.AsSpan(token[3] == '+' ? 4 : 3, token[3] == '+' ? 1 : 2);
        return byte.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte value) ? value : null;
    }
}

/// <summary>All tokens become one.</summary>
internal sealed class FuseDecodeStep : DecodeStep
{
    private bool _began;

    public override void Push(TokenPart part)
    {
        Output(new(part.Text, !_began, false));
        _began = true;
    }

    public override void Flush() => Output(new("", !_began, true));
}

/// <summary>Replaces in each token what a pattern matches.</summary>
internal sealed class ReplaceDecodeStep(Pattern pattern, string? literal, string content) : WholeTokenStep
{
    protected override void Push(string token) => Output(TokenPart.Whole(literal is not null
        ? token.Replace(literal, content, StringComparison.Ordinal)
        : PatternReplacement.Replace(pattern, token, content)));
}

/// <summary>Drops up to so many of a character at the ends of each token.</summary>
internal sealed class StripDecodeStep(char content, int start, int stop) : DecodeStep
{
    private int _toDrop;

    // Of these, if they prove to be the last of the token, up to "stop" are dropped.
    private int _held;

    public override void Push(TokenPart part)
    {
        _toDrop = part.Begins ? start : _toDrop;
        ReadOnlySpan<char> text = part.Text;
        while (_toDrop > 0 && text.StartsWith(content))
        {
            text = text[1..];
            _toDrop--;
        }

        _toDrop = text.IsEmpty ? _toDrop : 0;
        string whole = new string(content, _held) + text.ToString();
        ReadOnlySpan<char> kept = whole.AsSpan().TrimEnd(content);
        int trailing = whole.Length - kept.Length, drop = Math.Min(trailing, stop);
        _held = part.Ends ? 0 : drop;
        Output(part with { Text = whole[..^drop] });
    }
}

/// <summary>Metaspaces back to spaces; those of the first token are dropped where encoding put one in front.</summary>
internal sealed class MetaspaceDecodeStep(char replacement, bool prepended) : DecodeStep
{
    private int _tokens;

    public override void Push(TokenPart part)
    {
        _tokens += part.Begins ? 1 : 0;
        string text = _tokens == 1 && prepended
            ? part.Text.Replace(replacement.ToString(), "", StringComparison.Ordinal)
            : part.Text.Replace(replacement, ' ');
        Output(part with { Text = text });
    }
}

/// <summary>A space between tokens.</summary>
internal sealed class SpacedDecodeStep : DecodeStep
{
    private bool _began;

    public override void Push(TokenPart part)
    {
        Output(part with { Text = _began && part.Begins ? " " + part.Text : part.Text });
        _began = true;
    }
}
