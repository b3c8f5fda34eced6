using System.Text;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.SentencePieces;

/// <summary>What a piece is (sentencepiece_model.proto).</summary>
internal enum PieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>How a SentencePiece model cuts text (sentencepiece_model.proto).</summary>
internal enum SegmentationKind
{
    Unigram = 1,
    BytePair = 2,
    Word = 3,
    Character = 4,
}

/// <summary>A SentencePiece model as its file has it.</summary>
internal sealed class SentencePieceModel
{
    /// <summary>Text, score and kind of each id.</summary>
    public List<(string Text, float Score, PieceKind Kind)> Pieces { get; } = [];

    /// <summary>How it cuts text.</summary>
    public SegmentationKind Segmentation { get; private set; } = SegmentationKind.Unigram;

    /// <summary>The map of characters, compiled; empty: none.</summary>
    public byte[] CharacterMap { get; private set; } = [];

    /// <summary>A space is put in front of a text (or behind it).</summary>
    public bool AddDummyPrefix { get; private set; } = true;

    /// <summary>Spaces at the ends are dropped, and all but one of a run.</summary>
    public bool RemoveExtraWhitespaces { get; private set; } = true;

    /// <summary>Spaces become ▁.</summary>
    public bool EscapeWhitespaces { get; private set; } = true;

    /// <summary>Spaces end a word instead of beginning it.</summary>
    public bool WhitespaceIsSuffix { get; private set; }

    /// <summary>What is unknown becomes its bytes.</summary>
    public bool ByteFallback { get; private set; }

    /// <summary>What an unknown token decodes to.</summary>
    public string UnknownSurface { get; private set; } = " \u2047 ";

    /// <summary>The beginning-of-sequence piece, or −1.</summary>
    public int Begin { get; private set; } = -1;

    /// <summary>The unknown piece.</summary>
    public int Unknown { get; private set; } = -1;

    /// <summary>Reads a model.</summary>
    /// <exception cref="FormatException">It is malformed.</exception>
    public static SentencePieceModel Parse(ReadOnlySpan<byte> message)
    {
        SentencePieceModel model = new();
        string begin = "<s>";
        int beginId = 1;
        for (ProtobufReader reader = new(message); reader.Next();)
        {
            switch (reader.Field)
            {
                case 1:
                    model.Pieces.Add(Piece(reader.Bytes));
                    break;
                case 2:
                    for (ProtobufReader trainer = new(reader.Bytes); trainer.Next();)
                    {
                        switch (trainer.Field)
                        {
                            case 3: model.Segmentation = (SegmentationKind)trainer.Integer; break;
                            case 24: model.WhitespaceIsSuffix = trainer.Flag; break;
                            case 35: model.ByteFallback = trainer.Flag; break;
                            case 41: beginId = trainer.Integer; break;
                            case 44: model.UnknownSurface = Text(trainer.Bytes); break;
                            case 46: begin = Text(trainer.Bytes); break;
                        }
                    }

                    break;
                case 3:
                    for (ProtobufReader normalizer = new(reader.Bytes); normalizer.Next();)
                    {
                        switch (normalizer.Field)
                        {
                            case 2: model.CharacterMap = normalizer.Bytes.ToArray(); break;
                            case 3: model.AddDummyPrefix = normalizer.Flag; break;
                            case 4: model.RemoveExtraWhitespaces = normalizer.Flag; break;
                            case 5: model.EscapeWhitespaces = normalizer.Flag; break;
                        }
                    }

                    break;
            }
        }

        if (model.Pieces.Count is 0 or >= TokenTable.MostIds)
        {
            throw new FormatException("it has no pieces, or too many");
        }

        if (!Enum.IsDefined(model.Segmentation))
        {
            throw new FormatException($"model type {(int)model.Segmentation} is not known");
        }

        model.Unknown = model.Pieces.FindIndex(p => p.Kind == PieceKind.Unknown);
        if (model.Unknown < 0)
        {
            throw new FormatException("it has no unknown piece");
        }

        // By its text, as the library does; a model whose begin token is turned off may still have a piece of that text.
        model.Begin = beginId < 0 ? -1 : model.Pieces.FindIndex(p => p.Kind == PieceKind.Control && p.Text == begin);
        return model;
    }

    private static (string, float, PieceKind) Piece(ReadOnlySpan<byte> message)
    {
        (string text, float score, PieceKind kind) = ("", 0, PieceKind.Normal);
        for (ProtobufReader reader = new(message); reader.Next();)
        {
            switch (reader.Field)
            {
                case 1: text = Text(reader.Bytes); break;
                case 2: score = reader.Float; break;
                case 3: kind = (PieceKind)reader.Integer; break;
            }
        }

        return (text, score, kind);
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);
}
