namespace Portable.Tokenizers.Pipeline;

/// <summary>
/// The added tokens of a tokenizer: those that are looked for in the text as it is, and those that are looked for in what
/// is left of it, normalized.
/// </summary>
internal sealed class AddedVocabulary
{
    private readonly IReadOnlyList<Normalizer> _normalizers;
    private readonly AddedTokenMatcher _asIs, _normalized;
    private readonly Dictionary<int, AddedToken> _byId = [];
    private readonly Dictionary<string, int> _byContent = [];
    private readonly Dictionary<int, string> _decoded = [];
    private readonly HashSet<string> _specialTexts;

    /// <param name="tokens">The tokens in their order; special ones are preferred among those that look the same.</param>
    /// <param name="normalizers">What a text is normalized with.</param>
    public AddedVocabulary(IReadOnlyList<AddedToken> tokens, IReadOnlyList<Normalizer> normalizers)
    {
        _normalizers = normalizers;
        foreach (AddedToken token in tokens)
        {
            _byId[token.Id] = token;
            _byContent[token.Content] = token.Id;
        }

        AddedToken[] ordered = [.. tokens.Where(t => t.Special), .. tokens.Where(t => !t.Special)];
        (string Text, AddedToken Token)[] normalized =
            [.. ordered.Where(t => t.Normalized).Select(t => (Normalizer.Apply(normalizers, new Piece(t.Content, 0, t.Content.Length, true)).ToString(), _byId[t.Id]))];
        foreach ((string text, AddedToken token) in normalized)
        {
            _decoded[token.Id] = text;
        }

        _asIs = new(ordered.Where(t => !t.Normalized).Select(t => (t.Content, _byId[t.Id])));
        _normalized = new(normalized);
        _specialTexts = tokens.Where(t => t.Special).Select(t => t.Content).ToHashSet();
        Special = tokens.Where(t => t.Special).Select(t => t.Id).ToHashSet();
        Size = tokens.Count == 0 ? 0 : tokens.Max(t => t.Id) + 1;
    }

    /// <summary>Ids of special tokens.</summary>
    public IReadOnlySet<int> Special { get; }

    /// <summary>One more than the largest id.</summary>
    public int Size { get; }

    /// <summary>What decoding begins with for an added token: its text, normalized where it is looked for so; null for another id.</summary>
    public string? Decoded(int id) => _decoded.TryGetValue(id, out string? normalized) ? normalized : Text(id);

    /// <summary>Whether decoding may skip a token of this text: the package asks for the text, not for the id.</summary>
    public bool IsSpecialText(string text) => _specialTexts.Contains(text);

    /// <summary>The text of an added token, or null.</summary>
    public string? Text(int id) => _byId.GetValueOrDefault(id)?.Content;

    /// <summary>The id of an added token, or null.</summary>
    public int? Find(string content) => _byContent.TryGetValue(content, out int id) ? id : null;

    /// <summary>Cuts a text into added tokens and normalized text.</summary>
    /// <param name="text">Valid UTF-16.</param>
    /// <param name="plain">Characters of these ranges never take part in a special token.</param>
    public List<Piece> Extract(string text, PlainRanges plain)
    {
        List<Piece> raw = [], pieces = [];
        if (text.Length > 0)
        {
            _asIs.Split(new Piece(text, 0, text.Length, AtStart: true), plain.IsEmpty ? null : plain.Touch, raw);
        }

        foreach (Piece piece in raw)
        {
            if (!piece.IsText)
            {
                pieces.Add(piece);
                continue;
            }

            Piece normalized = Normalizer.Apply(_normalizers, piece);
            bool touched = plain.Touch(piece.Start, piece.End);
            _normalized.Split(normalized, touched ? (start, end) => plain.Touch(Original(piece, start), Original(piece, end)) : null, pieces);
        }

        return pieces;
    }

    /// <summary>Where in the original text a place in the normalized one lies: behind all that gives no more than what is in front of it.</summary>
    private int Original(Piece piece, int index)
    {
        int low = piece.Start, high = piece.End;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            (low, high) = Normalizer.Apply(_normalizers, piece.Slice(piece.Start, middle)).Span.Length <= index ? (middle, high) : (low, middle - 1);
        }

        return low;
    }
}
