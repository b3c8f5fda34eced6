using System.Text.Json.Nodes;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.HuggingFace;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

namespace Portable.Checkpoints.Format;

/// <summary>
/// What a quantized checkpoint is made from. Two runs with the same header make the same bytes, so it decides whether an
/// unfinished directory can be resumed.
/// </summary>
internal sealed record CheckpointHeader
{
    /// <summary>Directory of the float checkpoint: config.json and tokenizer files are copied, all its model files are hashed.</summary>
    public required string Source { get; init; }

    /// <summary>Version of the format to write.</summary>
    public int Version { get; init; } = PortableFormat.NewestVersion;

    /// <summary>Name of the method.</summary>
    public required string Method { get; init; }

    /// <summary>The scheme asked for.</summary>
    public required QuantizationScheme Scheme { get; init; }

    /// <summary>
    /// Everything else that the result depends on (samples, seed, hash of the calibration text, the method's own options);
    /// nothing that it does not depend on: no path, time, device or thread count.
    /// </summary>
    public required JsonObject Options { get; init; }

    /// <summary>The first part of the manifest: format, version of the float contract, method, scheme, options, and hashes of the inputs by file name.</summary>
    internal JsonObject Identity()
    {
        JsonObject inputs = [];
        IEnumerable<string> files = Directory.EnumerateFiles(Source).Select(path => Path.GetFileName(path))
            .Where(name => name.EndsWith(".safetensors", StringComparison.Ordinal) || name is ConfigFile.FileName or "model.safetensors.index.json");
        string[] names = [.. files.Concat(PortableFormat.CopiedFiles(Source)).Order(StringComparer.Ordinal)], hashes = new string[names.Length];
        WorkerPool.Run(names.Length, i => hashes[i] = FileHash.Sha256(Path.Combine(Source, names[i])));
        foreach ((int i, string name) in names.Index())
        {
            inputs[name] = hashes[i];
        }

        return new JsonObject
        {
            ["format"] = PortableFormat.QuantMethod,
            ["version"] = Version,
            ["contract"] = Contract.Version,
            ["method"] = Method,
            ["scheme"] = Scheme.ToString(),
            ["options"] = Options.DeepClone(),
            ["inputs"] = inputs,
        };
    }
}
