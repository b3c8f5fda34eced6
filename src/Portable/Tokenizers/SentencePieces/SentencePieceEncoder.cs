using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.SentencePieces;

/// <summary>Cuts normalized text into the pieces of a SentencePiece model, as that library does (version 0.1.97).</summary>
internal sealed class SentencePieceEncoder
{
    private readonly SentencePieceModel _model;
    private readonly TokenTable _pieces = new(), _reserved = new();
    private readonly ByteTrie _userDefined = new();
    private readonly ISegmentation _segmentation;
    private readonly int[] _bytes;

    /// <summary>Prepares a model.</summary>
    public SentencePieceEncoder(SentencePieceModel model)
    {
        _model = model;
        for (int id = 0; id < model.Pieces.Count; id++)
        {
            (string text, _, PieceKind kind) = model.Pieces[id];
            byte[] utf8 = Encoding.UTF8.GetBytes(text);
            (kind is PieceKind.Normal or PieceKind.UserDefined or PieceKind.Unused ? _pieces : _reserved).Add(utf8, id);
            if (kind == PieceKind.UserDefined)
            {
                _userDefined.Add(utf8, id);
            }
        }

        _bytes = [.. Enumerable.Range(0, 256).Select(b => Id(Encoding.UTF8.GetBytes($"<0x{b:X2}>")))];
        _segmentation = model.Segmentation switch
        {
            SegmentationKind.BytePair => new BytePairSegmentation(model, _pieces, _userDefined),
            SegmentationKind.Unigram => new UnigramSegmentation(model, _pieces),
            SegmentationKind.Word => new WordSegmentation(),
            _ => new CharacterSegmentation(_userDefined),
        };
    }

    /// <summary>Texts of user-defined pieces.</summary>
    public ByteTrie UserDefined => _userDefined;

    /// <summary>The id of a piece by its text, or the unknown one.</summary>
    public int Id(ReadOnlySpan<byte> piece) => _reserved.Find(piece) is >= 0 and int reserved ? reserved : _pieces.Find(piece) is >= 0 and int id ? id : _model.Unknown;

    /// <summary>The id of a piece by its text, or −1.</summary>
    public int Find(string piece) => _reserved.Find(piece) is >= 0 and int reserved ? reserved : _pieces.Find(piece);

    /// <summary>Appends the ids of a normalized text.</summary>
    public void Encode(ReadOnlySpan<byte> text, List<int> ids)
    {
        List<int> lengths = [];
        _segmentation.Cut(text, lengths);
        bool afterUnknown = false;
        foreach (int length in lengths)
        {
            ReadOnlySpan<byte> piece = text[..length];
            text = text[length..];
            int id = Id(piece);
            bool unknown = id == _model.Unknown;
            if (unknown && _model.ByteFallback)
            {
                foreach (byte b in piece)
                {
                    ids.Add(_bytes[b]);
                }
            }
            else if (!unknown || !afterUnknown)
            {
                // A run of unknown pieces is one.
                ids.Add(id);
            }

            afterUnknown = unknown;
        }
    }
}

/// <summary>A way to cut normalized text.</summary>
internal interface ISegmentation
{
    /// <summary>Appends the lengths of the parts, which together are the text.</summary>
    void Cut(ReadOnlySpan<byte> text, List<int> lengths);
}

/// <summary>Every ▁ begins a part.</summary>
internal sealed class WordSegmentation : ISegmentation
{
    public void Cut(ReadOnlySpan<byte> text, List<int> lengths)
    {
        while (!text.IsEmpty)
        {
            int next = text[1..].IndexOf(SentencePieceNormalizer.Metaspace) is >= 0 and int at ? at + 1 : text.Length;
            lengths.Add(next);
            text = text[next..];
        }
    }
}

/// <summary>Every character and every user-defined piece is a part.</summary>
internal sealed class CharacterSegmentation(ByteTrie userDefined) : ISegmentation
{
    public void Cut(ReadOnlySpan<byte> text, List<int> lengths)
    {
        while (!text.IsEmpty)
        {
            int length = userDefined.LongestPrefix(text);
            if (length == 0)
            {
                Rune.DecodeFromUtf8(text, out _, out length);
            }

            lengths.Add(length);
            text = text[length..];
        }
    }
}

/// <summary>The likeliest parts (Viterbi), in the precision and with the ties of the library.</summary>
internal sealed class UnigramSegmentation : ISegmentation
{
    private const float UnknownPenalty = 10;

    private readonly ByteTrie _trie = new();
    private readonly SentencePieceModel _model;
    private readonly float _unknownScore, _largest = 1.17549435e-38f;

    public UnigramSegmentation(SentencePieceModel model, TokenTable pieces)
    {
        _model = model;
        float least = float.MaxValue;
        for (int id = 0; id < model.Pieces.Count; id++)
        {
            (_, float score, PieceKind kind) = model.Pieces[id];
            if (pieces.Contains(id))
            {
                _trie.Add(pieces[id], id);
            }

            if (kind == PieceKind.Normal)
            {
                // The library starts its search for the largest at the least positive float: scores are negative, so that stays.
                (least, _largest) = (Math.Min(least, score), Math.Max(_largest, score));
            }
        }

        _unknownScore = least - UnknownPenalty;
    }

    public void Cut(ReadOnlySpan<byte> text, List<int> lengths)
    {
        int[] starts = new int[text.Length + 1];
        float[] scores = new float[text.Length + 1];
        Array.Fill(starts, -1);
        void Offer(int start, int end, double score)
        {
            if (starts[end] < 0 || score > scores[end])
            {
                (starts[end], scores[end]) = (start, (float)score);
            }
        }

        for (int start = 0, length; start < text.Length; start += length)
        {
            Rune.DecodeFromUtf8(text[start..], out _, out length);
            bool single = false;
            int node = ByteTrie.Root;
            for (int end = start; end < text.Length && (node = _trie.Next(node, text[end])) >= 0;)
            {
                end++;
                if (_trie.Value(node) is >= 0 and int id && _model.Pieces[id].Kind != PieceKind.Unused)
                {
                    // A user-defined piece is nearly free, so that it is always chosen.
                    double score = _model.Pieces[id].Kind == PieceKind.UserDefined ? ((end - start) * _largest) - 0.1 : _model.Pieces[id].Score;
                    Offer(start, end, score + scores[start]);
                    single |= end == start + length;
                }
            }

            if (!single)
            {
                Offer(start, start + length, _unknownScore + scores[start]);
            }
        }

        int before = lengths.Count;
        for (int end = text.Length; end > 0; end = starts[end])
        {
            lengths.Add(end - starts[end]);
        }

        lengths.Reverse(before, lengths.Count - before);
    }
}
