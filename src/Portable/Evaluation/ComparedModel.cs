using System.Globalization;
using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Checkpoints.Safetensors;
using Portable.Inference;
using Portable.Models;
using Portable.Tokenizers;

namespace Portable.Evaluation;

/// <summary>A checkpoint that is to be compared: what is known of it before its weights are loaded.</summary>
/// <param name="Directory">The checkpoint.</param>
/// <param name="Vocabulary">Logits of a position.</param>
/// <param name="Context">The longest window, and how it is said.</param>
/// <param name="Quantized">Whether it is quantized.</param>
/// <param name="Method">How, or float.</param>
/// <param name="Scheme">The scheme asked for, or null.</param>
/// <param name="Options">The manifest's options, or null.</param>
/// <param name="BitsPerWeight">Of the blocks' linears, as stored.</param>
/// <param name="Bytes">What it takes when loaded, about: its tensor files, its cache, its logits.</param>
/// <param name="Layers">Errors of the layers; empty for float.</param>
/// <param name="Tokens">The text as it is fed.</param>
internal sealed record ComparedModel(
    string Directory, int Vocabulary, (int Positions, string Words) Context, bool Quantized, string Method, string? Scheme, string? Options, double BitsPerWeight, long Bytes,
    IReadOnlyList<LayerReport> Layers, int[] Tokens)
{
    /// <summary>Reads what there is to know.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="text">The text.</param>
    /// <param name="context">Tokens of a window.</param>
    /// <exception cref="CheckpointException">A file is missing or damaged.</exception>
    public static ComparedModel Read(string directory, string text, int context)
    {
        using IModelSource source = Checkpoint.Open(directory);
        ModelConfig config = source.Config;
        Manifest? manifest = (source as PortableCheckpoint)?.Manifest;
        string? options = manifest is not null && manifest.Root.TryGetProperty("options", out JsonElement found) ? found.GetRawText() : null;
        long cache = CpuMemory.CacheBytes(config, source.KeyValueBits, 1, Math.Min(context, config.MaximumPositions));
        return new ComparedModel(
            directory, config.VocabularySize, (config.MaximumPositions, config.ContextText), manifest is not null, manifest?.Method ?? "float", manifest?.Scheme, options,
            manifest is null ? FloatBits(source) : StoredBits.Of(directory, config, manifest), StoredBits.TensorFiles(directory).Sum(Checkpoints.Files.FileLength.Of) + cache + Lockstep.LogitBytes,
            manifest?.Layers ?? [], new ModelText(directory).EncodeInput(text));
    }

    /// <summary>Refuses a model whose distributions cannot be put beside the reference's.</summary>
    /// <param name="reference">The reference.</param>
    /// <param name="context">Tokens of a window.</param>
    /// <param name="tokens">Tokens of the text that are used.</param>
    /// <exception cref="ArgumentException">Another vocabulary, another tokenizer, or too short a context.</exception>
    public void RequireLike(ComparedModel reference, int context, int tokens)
    {
        if (context > Context.Positions)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{Directory}: windows of {context:N0} tokens are longer than the model takes ({Context.Words})"));
        }

        if (Vocabulary != reference.Vocabulary)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{Directory}: its vocabulary has {Vocabulary:N0} tokens and that of {reference.Directory} {reference.Vocabulary:N0}; distributions over different tokens cannot be compared"));
        }

        int same = Tokens.AsSpan(0, Math.Min(tokens, Tokens.Length)).CommonPrefixLength(reference.Tokens);
        if (same < tokens)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{Directory}: its tokenizer is not that of {reference.Directory}: they part at token {same:N0} of the text; predictions of different tokens cannot be compared"));
        }
    }

    private static double FloatBits(IModelSource source)
    {
        // Blocks of a checkpoint are alike, and reading one reads all of its weights. Factors that are folded in make f32 of what was not.
        return source.LoadBlock(0).Linears.Min(l => 8.0 * l.Float!.Bytes / ((double)l.Float.Rows * l.Float.Columns));
    }
}
