using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.HuggingFace;
using Portable.Checkpoints.Safetensors;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Quantization;

namespace Portable.Checkpoints.Format;

/// <summary>
/// A quantized checkpoint. On opening: config, manifest, presence and length of every file, and in every shard names, types
/// and shapes of the tensors; values (scales, zero points, codes) when a block is loaded. Bytes: <see cref="ManifestCheck"/>.
/// </summary>
internal sealed class PortableCheckpoint : IModelSource
{
    private readonly ModelNames _names;
    private readonly SafetensorsFile _tables;
    private readonly LargeMemory _memory = new();
    private readonly IReadOnlyDictionary<string, LinearRecord> _records;

    private PortableCheckpoint(string directory, ModelConfig config, QuantizationScheme scheme, Manifest manifest)
    {
        (Directory, Config, _names, Scheme, Manifest) = (directory, config, new ModelNames(config), scheme, manifest);
        string[] listed = [.. manifest.Layers.Select(l => l.Name)], expected = [.. Enumerable.Range(0, config.Layers).SelectMany(_names.Linears).Concat(scheme.Table is null ? [] : _names.QuantizedTables).Select(l => l.Name)];
        if (!listed.AsSpan().SequenceEqual(expected))
        {
            string wrong = listed.Zip(expected).FirstOrDefault(p => p.First != p.Second).Second ?? "their number";
            throw new CheckpointException(Path.Combine(directory, PortableFormat.ManifestName), $"field 'layers': they are not the model's linears (see {wrong})");
        }

        foreach (ManifestFile file in manifest.Files)
        {
            string path = Path.Combine(directory, file.Name);
            if (!File.Exists(path))
            {
                throw new CheckpointException(path, "no such file; the manifest lists it");
            }

            if (FileLength.Of(path) is var bytes && bytes != file.Bytes)
            {
                throw new CheckpointException(path, $"the file has {bytes} bytes; the manifest says {file.Bytes}");
            }
        }

        for (int i = 0; i < config.Layers; i++)
        {
            BlockShard.Check(ShardPath(i), manifest.Version, _names, i);
        }

        _tables = SafetensorsFile.Open(ShardPath(config.Layers));
        try
        {
            _records = TableShard.Check(_tables, manifest.Version, _names, scheme);
        }
        catch
        {
            _tables.Dispose();
            throw;
        }
    }

    /// <summary>The checkpoint's directory.</summary>
    public string Directory { get; }

    /// <inheritdoc/>
    public ModelConfig Config { get; }

    /// <summary>The scheme that was asked for; layers may differ.</summary>
    public QuantizationScheme Scheme { get; }

    /// <summary>How it was made.</summary>
    public Manifest Manifest { get; }

    /// <inheritdoc/>
    public int KeyValueBits => Scheme.KeyValueBits;

    /// <summary>Whether a directory holds a quantized checkpoint of this format: its config.json says so.</summary>
    internal static bool IsOne(string directory)
    {
        string path = Path.Combine(directory, ConfigFile.FileName);
        using JsonDocument document = JsonFile.Read(path);
        JsonFields fields = new(path, document.RootElement);
        return fields.Has(PortableFormat.ConfigKey) && fields.Object(PortableFormat.ConfigKey).Text("quant_method", "") == PortableFormat.QuantMethod;
    }

    /// <summary>What config.json alone says of a checkpoint: shape, scheme, and whether the model was trained in bf16; null where it is none of this format.</summary>
    /// <exception cref="CheckpointException">config.json is missing or damaged.</exception>
    internal static (ModelConfig Config, QuantizationScheme Scheme, bool Brain)? Glance(string directory)
    {
        if (!IsOne(directory))
        {
            return null;
        }

        string path = Path.Combine(directory, ConfigFile.FileName);
        using JsonDocument document = JsonFile.Read(path);
        JsonFields fields = new(path, document.RootElement), language = ConfigFile.Language(fields);
        return (ConfigFile.Read(directory), PortableFormat.ParseScheme(fields.Object(PortableFormat.ConfigKey)), language.Text("dtype", language.Text("torch_dtype", "")) == "bfloat16");
    }

    /// <summary>Opens a quantized checkpoint.</summary>
    /// <exception cref="CheckpointException">A file is missing, damaged, or of another version.</exception>
    public static PortableCheckpoint Open(string directory)
    {
        ModelConfig config = ConfigFile.Read(directory);
        string path = Path.Combine(directory, ConfigFile.FileName);
        using JsonDocument document = JsonFile.Read(path);
        JsonFields fields = new(path, document.RootElement), mark = fields.Object(PortableFormat.ConfigKey);
        int version = PortableFormat.ReadVersion(mark);
        QuantizationScheme scheme = PortableFormat.ParseScheme(mark);
        Manifest manifest = Manifest.Read(Path.Combine(directory, PortableFormat.ManifestName));
        if (manifest.Version != version)
        {
            throw mark.Error("version", $"{version} is not the manifest's {manifest.Version}");
        }

        if (manifest.Scheme != scheme.ToString())
        {
            throw mark.Error("scheme", $"{scheme} is not the manifest's {manifest.Scheme}");
        }

        return new PortableCheckpoint(directory, config, scheme, manifest);
    }

    /// <inheritdoc/>
    public TableWeights LoadEmbedding() => Table(_names.EmbeddingTable);

    /// <inheritdoc/>
    public FloatTable? LoadPositions() => Config.LearnedPositionOffset is null ? null : TensorReader.Table(_tables, _tables.Find(_names.Positions));

    /// <inheritdoc/>
    public TableWeights? LoadHead() => Config.TiedEmbeddings ? null : Table(_names.HeadTable);

    /// <inheritdoc/>
    public NormWeights LoadFinalNorm() => NormTensors.Read(_tables, _names.FinalNorm);

    /// <inheritdoc/>
    public BlockWeights LoadBlock(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Config.Layers);
        return BlockShard.Read(ShardPath(index), Manifest.Version, _names, index, _memory).Block;
    }

    /// <inheritdoc/>
    public void Dispose() => _tables.Dispose();

    private string ShardPath(int index) => Path.Combine(Directory, PortableFormat.ShardName(index, Config.Layers));

    private TableWeights Table(LinearName name) => TableShard.Read(_tables, name, _records.GetValueOrDefault(name.Name), _memory);
}
