using System.Text.RegularExpressions;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>What people give in place of a model directory: recognized, and what to do said.</summary>
internal static partial class ForeignLayout
{
    /// <summary>What a path is that is no directory.</summary>
    public static string OfPath(string path) =>
        File.Exists(path) ? OfFile(path)
        : HubId().IsMatch(path) ? $"no such directory; if it is a Hugging Face id, fetch the model first (hf download {path} --local-dir DIR) and give that directory: Portable downloads nothing"
        : "no such directory";

    /// <summary>What a directory is that holds no model that Portable reads, or null where it seems to hold one.</summary>
    public static string? OfDirectory(string directory)
    {
        bool Has(string pattern) => Directory.EnumerateFiles(directory, pattern).Any();
        bool config = File.Exists(Path.Combine(directory, ConfigFile.FileName));
        string snapshots = Path.Combine(directory, "snapshots");
        if (!config && Directory.Exists(snapshots))
        {
            string? snapshot = Directory.EnumerateDirectories(snapshots).Order(StringComparer.Ordinal).FirstOrDefault();
            return $"a model's folder in the Hugging Face cache; give the snapshot in it{(snapshot is null ? ", which is missing" : $": {snapshot}")}";
        }

        if (File.Exists(Path.Combine(directory, "adapter_config.json")) && !config)
        {
            return "an adapter (LoRA), not a model; merge it into its base model first";
        }

        if (Has("*.safetensors"))
        {
            // Without config.json, that is what is said: a quantized checkpoint has no index.
            return config && Has("model-*-of-*.safetensors") && !File.Exists(Path.Combine(directory, "model.safetensors")) && !Has("*.safetensors.index.json")
                ? "shards without model.safetensors.index.json, which says what is where; fetch that file, too"
                : null;
        }

        return Has("*.gguf") ? Gguf
            : Has("pytorch_model*.bin") || Has("*.pth") || Has("*.pt") ? "weights as Python pickles (.bin, .pth) only; Portable reads safetensors: fetch those, or convert (transformers: save_pretrained with safe_serialization=True)"
            : Has("*.h5") || Has("*.msgpack") || Has("*.onnx") ? "weights of another framework only; Portable reads safetensors"
            : null;
    }

    private const string Gguf = "GGUF, the format of llama.cpp; Portable reads Hugging Face directories with safetensors: give the model that it was converted from";

    private static string OfFile(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".gguf" => Gguf,
        ".safetensors" or ".json" or ".model" => $"a model is a directory, not a file of it; give its directory, {Path.GetDirectoryName(Path.GetFullPath(path))}",
        ".bin" or ".pth" or ".pt" => "a Python pickle; Portable reads directories with safetensors",
        _ => "a model is a directory, not a file",
    };

    // owner/name, as the hub has them.
    [GeneratedRegex(@"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$", RegexOptions.CultureInvariant)]
    private static partial Regex HubId();
}
