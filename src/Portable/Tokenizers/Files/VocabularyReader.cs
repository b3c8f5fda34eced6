using System.Runtime.CompilerServices;
using System.Text.Json;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.Files;

/// <summary>Reads the vocabulary and the merges of a model as they stream by.</summary>
/// <param name="length">Bytes of the file: says about how much will come.</param>
internal sealed class VocabularyReader(int length)
{
    // A token takes some 20 bytes of a file, a merge some 20 to 40.
    private const int BytesPerEntry = 40;

    private byte[] _text = new byte[256];
    private int _length;

    /// <summary>Tokens and ids.</summary>
    public TokenTable Tokens { get; } = new(length / BytesPerEntry);

    /// <summary>Score of each id, where the vocabulary has scores; else null.</summary>
    public List<double>? Scores { get; private set; }

    /// <summary>Of each pair: rank, and the id that it becomes; null before they are read.</summary>
    public PairTable? Merges { get; private set; }

    /// <summary>Reads a property if it is the vocabulary or the merges; false for another, which is not read.</summary>
    public bool Read(ref Utf8JsonReader reader, string name)
    {
        switch (name)
        {
            case "vocab" when reader.TokenType == JsonTokenType.StartObject:
                ReadIds(ref reader);
                return true;
            case "vocab" when reader.TokenType == JsonTokenType.StartArray:
                ReadScores(ref reader);
                return true;
            case "merges" when reader.TokenType == JsonTokenType.StartArray:
                ReadMerges(ref reader);
                return true;
            default:
                return false;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ReadIds(ref Utf8JsonReader reader)
    {
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            _length = 0;
            Take(ref reader);
            Tokens.Add(Text, reader.Read() && reader.TokenType == JsonTokenType.Number ? reader.GetInt64() : throw new JsonException("a token in model.vocab has no number"));
        }
    }

    private void ReadScores(ref Utf8JsonReader reader)
    {
        Scores = [];
        while (reader.Read() && reader.TokenType == JsonTokenType.StartArray)
        {
            _length = 0;
            Take(ref reader, JsonTokenType.String);
            Tokens.Add(Text, Scores.Count);
            Scores.Add(reader.Read() && reader.TokenType == JsonTokenType.Number ? SerdeNumber.Parse(reader.ValueSpan) : throw new JsonException("a token in model.vocab has no score"));
            if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray)
            {
                throw new JsonException("an entry of model.vocab is no token and score");
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void ReadMerges(ref Utf8JsonReader reader)
    {
        if (Tokens.Count == 0)
        {
            throw new JsonException("model.merges stands in front of model.vocab");
        }

        PairTable merges = Merges = new(length / BytesPerEntry);
        for (int rank = 0; reader.Read() && reader.TokenType != JsonTokenType.EndArray;)
        {
            _length = 0;
            int cut;
            if (reader.TokenType == JsonTokenType.String)
            {
                Take(ref reader);
                if (Text.StartsWith("#version"u8))
                {
                    continue;
                }

                cut = Cut(rank);
            }
            else
            {
                Take(ref reader, JsonTokenType.String);
                cut = _length;
                Take(ref reader, JsonTokenType.String);
                if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray)
                {
                    throw new JsonException($"merge {rank} is no pair of tokens");
                }
            }

            merges.Set(Id(Text[..cut], rank), Id(Text[cut..], rank), rank, Id(Text, rank));
            rank++;
        }
    }

    private ReadOnlySpan<byte> Text => _text.AsSpan(0, _length);

    /// <summary>Takes the space out of the middle of a merge in one text; returns where it was.</summary>
    private int Cut(int rank)
    {
        int space = Text.IndexOf((byte)' ');
        if (space < 0 || Text[(space + 1)..].Contains((byte)' '))
        {
            throw new JsonException($"merge {rank} is no pair of tokens");
        }

        _text.AsSpan(space + 1, _length - space - 1).CopyTo(_text.AsSpan(space));
        _length--;
        return space;
    }

    private int Id(ReadOnlySpan<byte> token, int rank) =>
        Tokens.Find(token) is >= 0 and int id ? id : throw new JsonException($"merge {rank} has '{System.Text.Encoding.UTF8.GetString(token)}', which is not in the vocabulary");

    /// <summary>Reads a value of a kind and appends its text.</summary>
    private void Take(ref Utf8JsonReader reader, JsonTokenType expected)
    {
        if (!reader.Read() || reader.TokenType != expected)
        {
            throw new JsonException("model.vocab or model.merges has an entry that is no text");
        }

        Take(ref reader);
    }

    private void Take(ref Utf8JsonReader reader)
    {
        int most = _length + (reader.HasValueSequence ? checked((int)reader.ValueSequence.Length) : reader.ValueSpan.Length);
        if (most > _text.Length)
        {
            Array.Resize(ref _text, Math.Max(most, _text.Length * 2));
        }

        _length += reader.CopyString(_text.AsSpan(_length));
    }
}
