using System.Text;
using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Format;
using Portable.Tokenizers.Files;
using Portable.Tokenizers.Pipeline;
using Portable.Tokenizers.SentencePieces;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers;

/// <summary>Opens the tokenizer of a model directory.</summary>
internal static class Tokenizer
{
    private const string JsonName = "tokenizer.json", ModelName = "tokenizer.model", VocabularyName = "vocab.json", MergesName = "merges.txt";

    /// <summary>
    /// Opens <c>tokenizer.json</c>; where there is none, a SentencePiece <c>tokenizer.model</c>; else <c>vocab.json</c> with
    /// <c>merges.txt</c>, cut as GPT-2 and OPT cut.
    /// </summary>
    /// <remarks>
    /// What is put around a text (<see cref="ITokenizer.Before"/>, <see cref="ITokenizer.After"/>): <c>add_bos_token</c> and
    /// <c>add_eos_token</c> of tokenizer_config.json where they are said; else what tokenizer.json's post-processor puts
    /// there; else a tokenizer.model's begin piece; for vocab.json, config.json's <c>bos_token_id</c>.
    /// </remarks>
    /// <param name="directory">The directory; it may hold tokenizer files alone.</param>
    /// <exception cref="CheckpointException">No tokenizer, or one that is damaged or uses what Portable does not know.</exception>
    public static ITokenizer Open(string directory)
    {
        string json = Path.Combine(directory, JsonName), model = Path.Combine(directory, ModelName), vocabulary = Path.Combine(directory, VocabularyName);
        if (File.Exists(json))
        {
            return ReadText(json, text => Pipeline(directory, TokenizerJson.Parse(json, text.Span), TokenizerConfig.Read(directory)));
        }

        if (File.Exists(model))
        {
            return Read(model, file => FileBytes.Read(file, int.MaxValue), bytes => SentencePiece(directory, bytes));
        }

        if (File.Exists(vocabulary))
        {
            return ByteLevel(directory, ReadText(vocabulary, text => ByteLevelFiles.Vocabulary(text.Span)));
        }

        UnfinishedCheckpoint.Refuse(directory);
        throw new CheckpointException(json, "no tokenizer found: tokenizer.json, tokenizer.model, or vocab.json with merges.txt is needed");
    }

    /// <summary>Whether a directory holds a tokenizer, whatever it is.</summary>
    public static bool Exists(string directory) => ((string[])[JsonName, ModelName, VocabularyName]).Any(name => File.Exists(Path.Combine(directory, name)));

    private static PipelineTokenizer Pipeline(string directory, PipelineParts parts, TokenizerConfig config)
    {
        Dictionary<string, int> added = parts.Added.DistinctBy(t => t.Content).ToDictionary(t => t.Content, t => t.Id);
        int? Find(string token) => added.TryGetValue(token, out int id) ? id : parts.Model.Tokens.Find(token) is >= 0 and int known ? known : null;
        return new(parts, Frame.Of(directory, config, Find, parts.PostProcessor), config.Named);
    }

    private static SentencePieceTokenizer SentencePiece(string directory, byte[] bytes)
    {
        SentencePieceModel model = SentencePieceFile.Parse(bytes);
        SentencePieceEncoder encoder = new(model);
        TokenizerConfig config = TokenizerConfig.Read(directory);
        IReadOnlyList<AddedToken> added = SentencePieceFile.Added(config, encoder.Find, model.Pieces.Count);
        int? Find(string token) => added.FirstOrDefault(t => t.Content == token)?.Id ?? (encoder.Find(token) is >= 0 and int id ? id : null);
        return new(model, encoder, added, config.Legacy, Frame.Of(directory, config, Find, new(model.Begin >= 0 ? [model.Begin] : [], [])), config.Named);
    }

    private static PipelineTokenizer ByteLevel(string directory, TokenTable vocabulary)
    {
        string merges = Path.Combine(directory, MergesName);
        if (!File.Exists(merges))
        {
            throw new CheckpointException(merges, "not found beside vocab.json");
        }

        // These two files do not say how text is cut into words. GPT-2 and OPT cut alike; others do not, and only their
        // tokenizer.json says how.
        if (ModelIds.ModelType(directory) is { } type && type is not ("opt" or "gpt2"))
        {
            throw new CheckpointException(Path.Combine(directory, JsonName), $"no such file; vocab.json and merges.txt alone do not say how a model of type {type} cuts words");
        }

        TokenizerConfig config = TokenizerConfig.Read(directory);
        PipelineParts parts = ReadText(merges, lines => ByteLevelFiles.Parse(vocabulary, StrictUtf8.GetString(lines.Span).Split('\n').Select(l => l.TrimEnd('\r')), config));
        int size = Math.Max(parts.Model.Tokens.Size, parts.Added.Select(t => t.Id + 1).DefaultIfEmpty(0).Max());
        return Pipeline(directory, parts with { PostProcessor = new(ModelIds.Read(directory, "bos_token_id") is { } begin && begin < size ? [begin] : [], []) }, config);
    }

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Reads a file of text, without a byte order mark.</summary>
    private static T ReadText<T>(string file, Func<ReadOnlyMemory<byte>, T> read) => Read(file, path => JsonFile.Text(path, int.MaxValue), read);

    private static T Read<TBytes, T>(string file, Func<string, TBytes> open, Func<TBytes, T> read)
    {
        try
        {
            return read(open(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(file, e.Message, inner: e);
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException or KeyNotFoundException or OverflowException or ArgumentException)
        {
            // What the readers find wrong, and what System.Text.Json throws for values of another kind.
            throw new CheckpointException(file, $"not a tokenizer that can be read ({JsonFault.Words(e)})", inner: e);
        }
    }
}
