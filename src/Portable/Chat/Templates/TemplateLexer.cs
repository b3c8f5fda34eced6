using System.Globalization;
using System.Text;

namespace Portable.Chat.Templates;

/// <summary>Cuts a template into tokens as jinja2 does with trim_blocks and lstrip_blocks: the newline behind a block tag or comment
/// goes, and so does white space before one that starts its line; - takes all white space on its side, + keeps it.</summary>
internal sealed class TemplateLexer
{
    private static readonly string[] LongOperators = ["**", "//", "==", "!=", "<=", ">="];
    private const string Operators = "+-/*%~[](){}<>=.:|,;";
    private const string OpeningBrackets = "([{", ClosingBrackets = ")]}";

    private readonly string _source;
    private readonly List<TemplateToken> _tokens = [];
    private int _at, _line = 1;

    private TemplateLexer(string source)
    {
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        // One newline at the end is the file's, not the template's.
        _source = source.EndsWith('\n') ? source[..^1] : source;
    }

    public static List<TemplateToken> Read(string source)
    {
        TemplateLexer lexer = new(source);
        lexer.Root();
        return lexer._tokens;
    }

    private void Root()
    {
        int start = 0;
        while (true)
        {
            int open = _source.IndexOf('{', _at);
            if (open < 0 || open + 1 == _source.Length)
            {
                Data(start, _source.Length, false);
                break;
            }
            char kind = _source[open + 1];
            if (kind is not ('{' or '%' or '#'))
            {
                _at = open + 1;
                continue;
            }
            char sign = open + 2 < _source.Length && _source[open + 2] is '-' or '+' ? _source[open + 2] : '\0';
            Data(start, TextEnd(start, open, kind, sign), true);
            Count(start, open);
            _at = open + (sign == '\0' ? 2 : 3);
            if (kind == '#')
            {
                Comment();
            }
            else if (kind == '%' && RawAhead() is int raw and > 0)
            {
                _at = raw;
                Raw();
            }
            else
            {
                Tag(kind == '{');
            }
            start = _at;
        }
        _tokens.Add(new TemplateToken(TemplateTokenKind.End, string.Empty, _line));
    }

    // Where the text before a tag ends: what the tag takes away is white space before it.
    private int TextEnd(int start, int open, char kind, char sign)
    {
        if (sign == '-')
        {
            int end = open;
            while (end > start && IsSpace(_source[end - 1]))
            {
                end--;
            }
            return end;
        }
        if (sign == '+' || kind == '{')
        {
            return open;
        }
        int line = open == start ? start : _source.LastIndexOf('\n', open - 1, open - start) + 1;
        if (line == 0 || line < start)
        {
            line = start;
        }
        bool startsLine = line == 0 || _source[line - 1] == '\n';
        for (int i = line; startsLine && i < open; i++)
        {
            startsLine = IsSpace(_source[i]);
        }
        return startsLine ? line : open;
    }

    private void Data(int start, int end, bool more)
    {
        if (end > start)
        {
            _tokens.Add(new TemplateToken(TemplateTokenKind.Data, _source[start..end], _line));
        }
        if (!more)
        {
            Count(start, _source.Length);
            _at = _source.Length;
        }
    }

    private void Comment()
    {
        int end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
        {
            throw new TemplateException("a comment is not closed", _line);
        }
        char sign = end > _at ? _source[end - 1] : '\0';
        Count(_at, end);
        _at = end + 2;
        AfterTag(sign, block: true);
    }

    // The position behind {% raw %}'s end, or -1.
    private int RawAhead()
    {
        int i = SkipSpace(_at);
        if (!_source.AsSpan(i).StartsWith("raw"))
        {
            return -1;
        }
        i = SkipSpace(i + 3);
        if (_source.AsSpan(i).StartsWith("-%}"))
        {
            return SkipSpace(i + 3);
        }
        return _source.AsSpan(i).StartsWith("%}") ? i + 2 : -1;
    }

    private void Raw()
    {
        int start = _at;
        for (int open = _source.IndexOf("{%", _at, StringComparison.Ordinal); open >= 0; open = _source.IndexOf("{%", open + 2, StringComparison.Ordinal))
        {
            int i = open + 2;
            char sign = i < _source.Length && _source[i] is '-' or '+' ? _source[i++] : '\0';
            i = SkipSpace(i);
            if (!_source.AsSpan(i).StartsWith("endraw"))
            {
                continue;
            }
            i = SkipSpace(i + 6);
            char endSign = i < _source.Length && _source[i] is '-' or '+' ? _source[i++] : '\0';
            if (!_source.AsSpan(i).StartsWith("%}"))
            {
                continue;
            }
            int end = TextEnd(start, open, '%', sign);
            if (end > start)
            {
                _tokens.Add(new TemplateToken(TemplateTokenKind.Data, _source[start..end], _line));
            }
            Count(start, i);
            _at = i + 2;
            AfterTag(endSign, block: true);
            return;
        }
        throw new TemplateException("a raw block is not closed", _line);
    }

    private void Tag(bool variable)
    {
        _tokens.Add(new TemplateToken(variable ? TemplateTokenKind.VariableBegin : TemplateTokenKind.BlockBegin, string.Empty, _line));
        string close = variable ? "}}" : "%}";
        Stack<char> brackets = new();
        while (true)
        {
            int space = SkipSpace(_at);
            Count(_at, space);
            _at = space;
            if (_at >= _source.Length)
            {
                throw new TemplateException($"a tag is not closed by {close}", _line);
            }
            if (brackets.Count == 0)
            {
                ReadOnlySpan<char> rest = _source.AsSpan(_at);
                char sign = rest[0] == '-' || (rest[0] == '+' && !variable) ? rest[0] : '\0';
                if (rest[(sign == '\0' ? 0 : 1)..].StartsWith(close))
                {
                    _tokens.Add(new TemplateToken(variable ? TemplateTokenKind.VariableEnd : TemplateTokenKind.BlockEnd, string.Empty, _line));
                    _at += sign == '\0' ? 2 : 3;
                    AfterTag(sign, block: !variable);
                    return;
                }
            }
            Expression(brackets);
        }
    }

    private void AfterTag(char sign, bool block)
    {
        int from = _at;
        if (sign == '-')
        {
            _at = SkipSpace(_at);
        }
        else if (block && sign != '+' && _at < _source.Length && _source[_at] == '\n')
        {
            _at++;
        }
        Count(from, _at);
    }

    private void Expression(Stack<char> brackets)
    {
        char c = _source[_at];
        if (char.IsAsciiDigit(c))
        {
            Number();
        }
        else if (c == '_' || char.IsLetter(c))
        {
            int start = _at;
            while (_at < _source.Length && (_source[_at] == '_' || char.IsLetterOrDigit(_source[_at])))
            {
                _at++;
            }
            _tokens.Add(new TemplateToken(TemplateTokenKind.Name, _source[start.._at], _line));
        }
        else if (c is '"' or '\'')
        {
            Quoted(c);
        }
        else
        {
            string text = LongOperators.FirstOrDefault(o => _source.AsSpan(_at).StartsWith(o)) ?? (Operators.Contains(c, StringComparison.Ordinal) ? c.ToString() : string.Empty);
            if (text.Length == 0)
            {
                throw new TemplateException($"unexpected character '{c}'", _line);
            }
            if (OpeningBrackets.Contains(c, StringComparison.Ordinal))
            {
                brackets.Push(c);
                if (brackets.Count > TemplateParser.MaximumNesting)
                {
                    throw new TemplateException("brackets are nested too deeply", _line);
                }
            }
            else if (ClosingBrackets.IndexOf(c) is int closing and >= 0 && (brackets.Count == 0 || brackets.Pop() != OpeningBrackets[closing]))
            {
                throw new TemplateException($"unexpected '{c}'", _line);
            }
            _tokens.Add(new TemplateToken(TemplateTokenKind.Operator, text, _line));
            _at += text.Length;
        }
    }

    private void Number()
    {
        int start = _at;
        if (_source[_at] == '0' && _at + 2 < _source.Length && _source[_at + 1] is 'x' or 'X' or 'b' or 'B' or 'o' or 'O' && char.IsAsciiHexDigit(_source[_at + 2]))
        {
            _at += 2;
            while (_at < _source.Length && (char.IsAsciiHexDigit(_source[_at]) || _source[_at] == '_'))
            {
                _at++;
            }
            _tokens.Add(new TemplateToken(TemplateTokenKind.Integer, _source[start.._at], _line));
            return;
        }
        Digits();
        bool isFloat = false;
        // A digit must follow the point: 1.x is an attribute, 1.5 a number. A number after a point is an index, not a fraction.
        bool afterPoint = start > 0 && _source[start - 1] == '.';
        if (!afterPoint && _at + 1 < _source.Length && _source[_at] == '.' && char.IsAsciiDigit(_source[_at + 1]))
        {
            isFloat = true;
            _at++;
            Digits();
        }
        if (!afterPoint && _at < _source.Length && _source[_at] is 'e' or 'E')
        {
            int exponent = _at + 1;
            if (exponent < _source.Length && _source[exponent] is '+' or '-')
            {
                exponent++;
            }
            if (exponent < _source.Length && char.IsAsciiDigit(_source[exponent]))
            {
                isFloat = true;
                _at = exponent;
                Digits();
            }
        }
        _tokens.Add(new TemplateToken(isFloat ? TemplateTokenKind.Float : TemplateTokenKind.Integer, _source[start.._at].Replace("_", string.Empty, StringComparison.Ordinal), _line));
    }

    private void Digits()
    {
        while (_at < _source.Length && (char.IsAsciiDigit(_source[_at]) || (_source[_at] == '_' && _at + 1 < _source.Length && char.IsAsciiDigit(_source[_at + 1]))))
        {
            _at++;
        }
    }

    private void Quoted(char quote)
    {
        int start = _at++, line = _line;
        StringBuilder text = new();
        while (true)
        {
            if (_at >= _source.Length)
            {
                throw new TemplateException("a string is not closed", line);
            }
            char c = _source[_at++];
            if (c == quote)
            {
                break;
            }
            if (c == '\\' && _at < _source.Length)
            {
                Escape(text);
            }
            else
            {
                text.Append(c);
            }
        }
        Count(start, _at);
        _tokens.Add(new TemplateToken(TemplateTokenKind.Text, text.ToString(), line));
    }

    private void Escape(StringBuilder text)
    {
        char c = _source[_at++];
        switch (c)
        {
            case '\n': break;
            case '\\' or '\'' or '"': text.Append(c); break;
            case 'a': text.Append('\a'); break;
            case 'b': text.Append('\b'); break;
            case 'f': text.Append('\f'); break;
            case 'n': text.Append('\n'); break;
            case 'r': text.Append('\r'); break;
            case 't': text.Append('\t'); break;
            case 'v': text.Append('\v'); break;
            case 'x': Hexadecimal(text, 2); break;
            case 'u': Hexadecimal(text, 4); break;
            case 'U': Hexadecimal(text, 8); break;
            case >= '0' and <= '7':
                int value = c - '0';
                for (int i = 0; i < 2 && _at < _source.Length && _source[_at] is >= '0' and <= '7'; i++)
                {
                    value = (8 * value) + _source[_at++] - '0';
                }
                text.Append((char)value);
                break;
            case 'N': throw new TemplateException(@"a character by name (\N{…}) is not supported", _line);
            default: text.Append('\\').Append(c); break;
        }
    }

    private void Hexadecimal(StringBuilder text, int digits)
    {
        if (_at + digits > _source.Length || !uint.TryParse(_source.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value) || value > 0x10FFFF)
        {
            throw new TemplateException("a string has a bad escape", _line);
        }
        _at += digits;
        text.Append(value > 0xFFFF ? char.ConvertFromUtf32((int)value) : ((char)value).ToString());
    }

    private int SkipSpace(int i)
    {
        while (i < _source.Length && IsSpace(_source[i]))
        {
            i++;
        }
        return i;
    }

    private void Count(int from, int to) => _line += _source.AsSpan(from, Math.Max(0, to - from)).Count('\n');

    // Python's: also the four information separators.
    internal static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f';
}
