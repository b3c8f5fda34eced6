using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.HuggingFace;
using Portable.Models;

namespace Portable.Tokenizers;

/// <summary>Opens the tokenizer of a model directory.</summary>
public static class Tokenizer
{
    /// <summary>The files that make a tokenizer, in the order of preference; those that exist go into a quantized checkpoint.</summary>
    public static IReadOnlyList<string> FileNames { get; } = ["tokenizer.model", "tokenizer.json", "vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"];

    /// <summary>Opens `tokenizer.model`, else `tokenizer.json`, else `vocab.json` with `merges.txt`.</summary>
    /// <exception cref="CheckpointException">No tokenizer, or one that is damaged or of a kind that Portable does not know.</exception>
    public static ITokenizer Open(string directory)
    {
        string model = Path.Combine(directory, "tokenizer.model"), vocabulary = Path.Combine(directory, "vocab.json");
        string merges = Path.Combine(directory, "merges.txt"), json = Path.Combine(directory, "tokenizer.json");
        if (File.Exists(model))
        {
            return Read(model, stream => new SentencePiece(stream));
        }

        if (File.Exists(json))
        {
            return Read(json, stream => TokenizerJson.Parse(json, stream));
        }

        if (!File.Exists(vocabulary))
        {
            throw new CheckpointException(model, "no tokenizer found: tokenizer.model, tokenizer.json, or vocab.json with merges.txt is needed");
        }

        if (!File.Exists(merges))
        {
            throw new CheckpointException(merges, "not found beside vocab.json");
        }

        // These two files do not say how text is cut into words. GPT-2 and OPT cut alike; Qwen2 does not, and only its
        // tokenizer.json says how.
        if (File.Exists(Path.Combine(directory, ConfigFile.FileName)) && ConfigFile.Read(directory).Family == ModelFamily.Llama)
        {
            throw new CheckpointException(json, "no such file; vocab.json and merges.txt alone do not say how this model cuts words");
        }

        return Read(vocabulary, stream => new ByteLevelBpe(stream, ReadLines(merges)));
    }

    private static string[] ReadLines(string file)
    {
        try
        {
            return File.ReadAllLines(file, new System.Text.UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new CheckpointException(file, e is ArgumentException ? "not UTF-8" : e.Message, inner: e);
        }
    }

    // The libraries behind it throw whatever a damaged file leads them to.
    private static ITokenizer Read(string file, Func<Stream, ITokenizer> read)
    {
        try
        {
            using FileStream stream = File.OpenRead(file);
            return read(stream);
        }
        catch (Exception e) when (e is not (CheckpointException or OutOfMemoryException))
        {
            throw new CheckpointException(file, e is IOException or UnauthorizedAccessException ? e.Message : $"not a tokenizer that can be read ({e.Message})", inner: e);
        }
    }
}
