using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Tokenizers;

namespace Portable.Cli.Verbs;

/// <summary>The answer of <c>portable tokenize</c> for one text.</summary>
/// <param name="Ids">Its token ids.</param>
internal sealed record TokenizeReport(int[] Ids);

/// <summary>The answer of <c>portable tokenize --strings</c>.</summary>
/// <param name="Ids">Token ids of each text.</param>
internal sealed record TokenizeManyReport(int[][] Ids);

/// <summary>The answer of <c>portable tokenize --decode</c>.</summary>
/// <param name="Text">The text of the ids.</param>
internal sealed record DecodeReport(string Text);

/// <summary>The answer of <c>portable tokenize --decode-ids</c>.</summary>
/// <param name="Texts">The text of each list of ids.</param>
internal sealed record DecodeManyReport(string[] Texts);

/// <summary>Shows the token ids of texts, or the texts of ids.</summary>
internal sealed class TokenizeVerb : Verb
{
    private readonly DirectoryArgument<string> _model = new("MODEL") { Description = "Directory of a checkpoint, or of tokenizer files alone." };
    private readonly Option<string> _text = new("--text") { Description = "The text.", HelpName = "TEXT" };
    private readonly PathOption _file = new("--file") { Description = "A UTF-8 file with the text.", HelpName = "FILE" };
    private readonly PathOption _strings = new("--strings") { Description = "A JSON array of texts.", HelpName = "FILE" };
    private readonly Option<bool> _withSpecial = new("--with-special") { Description = "What the model would be fed: with what it wants in front of the text and behind it." };
    private readonly Option<bool> _plain = new("--plain") { Description = "The text of special tokens is ordinary text." };
    private readonly Option<string> _decode = new("--decode") { Description = "Token ids whose text to show.", HelpName = "1,2,3" };
    private readonly PathOption _decodeIds = new("--decode-ids") { Description = "A JSON array of arrays of token ids.", HelpName = "FILE" };
    private readonly Option<bool> _keepSpecial = new("--keep-special") { Description = "Show special tokens in decoded text." };

    /// <summary>Defines the verb.</summary>
    public TokenizeVerb()
        : base(
            "tokenize",
            "Shows the token ids of a text as the tokenizer's reference implementation has them, or the text of ids.",
            new Example("portable tokenize llama-w4 --text \"Hello, world!\"", "a table: id, piece, bytes"),
            new Example("portable tokenize llama-w4 --file prompt.txt --with-special --json", "all ids that the model would be fed"),
            new Example("portable tokenize llama-w4 --decode 1,15043,3186", "their text"))
    {
        foreach (Option option in (Option[])[_text, _file, _strings, _withSpecial, _plain, _decode, _decodeIds, _keepSpecial])
        {
            Options.Add(option);
        }

        Arguments.Add(_model);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        Option<string>[] given = [.. new Option<string>[] { _text, _file, _strings, _decode, _decodeIds }.Where(o => parsed.GetResult(o) is not null)];
        if (given.Length != 1)
        {
            throw new UsageException("tokenize wants one of --text, --file, --strings, --decode and --decode-ids");
        }

        bool decoding = given[0] == _decode || given[0] == _decodeIds;
        if (decoding && (parsed.GetValue(_withSpecial) || parsed.GetValue(_plain)))
        {
            throw new UsageException("--with-special and --plain go with a text, not with ids");
        }

        if (!decoding && parsed.GetValue(_keepSpecial))
        {
            throw new UsageException("--keep-special goes with --decode and --decode-ids");
        }

        string value = parsed.GetValue(given[0])!;
        int[]? ids = given[0] == _decode ? OptionValues.Ids(_decode.Name, value) : null;
        ITokenizer tokenizer = Tokenizer.Open(parsed.GetValue(_model)!);
        int[] Encode(string of)
        {
            cancellation.ThrowIfCancellationRequested();
            int[] encoded = parsed.GetValue(_plain) ? tokenizer.Encode(of, ..) : tokenizer.Encode(of);
            return parsed.GetValue(_withSpecial) ? [.. tokenizer.Before, .. encoded, .. tokenizer.After] : encoded;
        }

        int vocabulary = decoding ? Vocabulary(tokenizer, parsed.GetValue(_model)!) : 0;
        string Decode(int[] of) => Array.FindIndex(of, id => (uint)id >= (uint)vocabulary) is >= 0 and int wrong
            ? throw new ArgumentException($"Token id {of[wrong]} is outside the vocabulary 0…{vocabulary - 1}.")
            : tokenizer.Decode(of, parsed.GetValue(_keepSpecial));
        if (ids is not null)
        {
            terminal.Result(new DecodeReport(Decode(ids)), JsonReports.Default.DecodeReport, r => terminal.Line(r.Text));
        }
        else if (decoding)
        {
            terminal.Result(new DecodeManyReport([.. JsonLists.Ids(value).Select(Decode)]), JsonReports.Default.DecodeManyReport, r => Array.ForEach(r.Texts, terminal.Line));
        }
        else if (given[0] == _strings)
        {
            terminal.Result(new TokenizeManyReport([.. JsonLists.Texts(value).Select(Encode)]), JsonReports.Default.TokenizeManyReport, r => Array.ForEach(r.Ids, list => terminal.Line(string.Join(',', list))));
        }
        else
        {
            string of = given[0] == _file ? ModelFiles.ReadText(value, mayBeEmpty: true) : value;
            terminal.Result(new TokenizeReport(Encode(of)), JsonReports.Default.TokenizeReport, r => Print(terminal, tokenizer, r.Ids));
        }

        return ExitCode.Done;
    }

    // A model's vocabulary may be padded: ids that it has and its tokenizer lacks have no text, and are no mistake.
    private static int Vocabulary(ITokenizer tokenizer, string directory)
    {
        string file = Path.Combine(directory, "config.json");
        if (!File.Exists(file))
        {
            return tokenizer.VocabularySize;
        }

        using JsonDocument config = JsonFile.Read(file);
        return config.RootElement.TryGetProperty("vocab_size", out JsonElement size) && size.ValueKind == JsonValueKind.Number && size.TryGetInt32(out int padded)
            ? Math.Max(tokenizer.VocabularySize, padded)
            : tokenizer.VocabularySize;
    }

    private static void Print(Terminal terminal, ITokenizer tokenizer, int[] ids)
    {
        terminal.Table([">id", "piece", "bytes"], ids.Select(id => new[]
        {
            id.ToString(CultureInfo.InvariantCulture),
            Visible(tokenizer.Token(id) ?? ""),
            tokenizer.IsSpecial(id) ? "special" : Convert.ToHexString(tokenizer.Bytes(id)),
        }));
        terminal.Line(TokenCount.Text(ids.Length));
    }

    private static string Visible(string piece) =>
        piece.Any(char.IsControl) ? string.Concat(piece.Select(c => char.IsControl(c) ? $"\\u{(int)c:x4}" : c.ToString())) : piece;
}
