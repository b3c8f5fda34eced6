using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Safetensors;
using Portable.Models;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>
/// A float checkpoint in Hugging Face layout: config.json and safetensors, one file or shards. Names, shapes and element
/// types of all tensors are checked on opening; values (NaN, infinity) when a part is first loaded.
/// </summary>
/// <remarks>
/// LLaMA, Mistral and Qwen2 (model.layers.N.…), OPT (model.decoder.layers.N.…, also without "model." in front). A tensor
/// that the architecture does not have is an error too: it would mean a computation that is not the model's.
/// </remarks>
internal sealed class HuggingFaceCheckpoint : IModelSource
{
    private readonly TensorStore _store;
    private readonly ArchitectureNames _names;

    // What the file leaves off in front of the names that ArchitectureNames gives.
    private readonly string _omitted;

    private HuggingFaceCheckpoint(string directory, ModelConfig config, ArchitectureNames names)
    {
        (Directory, Config, _names) = (directory, config, names);
        _store = new TensorStore(directory);
        _omitted = names.IsOpt && !_store.Has(names.Embedding) && _store.Has(names.Embedding["model.".Length..]) ? "model." : "";
        try
        {
            Check();
        }
        catch
        {
            _store.Dispose();
            throw;
        }
    }

    /// <summary>The checkpoint's directory.</summary>
    public string Directory { get; }

    /// <inheritdoc/>
    public ModelConfig Config { get; }

    /// <inheritdoc/>
    public int KeyValueBits => 32;

    /// <summary>The safetensors files, in the order of the index.</summary>
    public IReadOnlyList<SafetensorsFile> Files => _store.Files;

    /// <summary>Opens a checkpoint.</summary>
    /// <exception cref="CheckpointException">A file is missing or damaged, or the model is one that Portable does not run.</exception>
    public static HuggingFaceCheckpoint Open(string directory)
    {
        ModelConfig config = ConfigFile.Read(directory);
        string path = Path.Combine(directory, ConfigFile.FileName);
        using JsonDocument document = JsonFile.Read(path);
        JsonFields fields = new(path, document.RootElement);
        if (fields.Has("quantization_config"))
        {
            throw fields.Error("quantization_config", "quantized checkpoints of other tools are not supported");
        }

        return new HuggingFaceCheckpoint(directory, config, new ArchitectureNames(config, fields));
    }

    /// <inheritdoc/>
    public FloatTable LoadEmbedding() => _store.Table(InFile(_names.Embedding));

    /// <inheritdoc/>
    public FloatTable? LoadPositions() => _names.IsOpt ? _store.Table(InFile(_names.Positions)) : null;

    /// <inheritdoc/>
    public FloatTable? LoadHead() => Config.TiedEmbeddings ? null : _store.Table(_names.Head);

    /// <inheritdoc/>
    public NormWeights LoadFinalNorm() => Norm(_names.FinalNorm);

    /// <inheritdoc/>
    public BlockWeights LoadBlock(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Config.Layers);
        return new BlockWeights
        {
            AttentionNorm = Norm(_names.AttentionNorm(index)),
            Query = Linear(_names.Query(index)),
            Key = Linear(_names.Key(index)),
            Value = Linear(_names.Value(index)),
            Output = Linear(_names.Output(index)),
            MlpNorm = Norm(_names.MlpNorm(index)),
            Gate = _names.Gate(index) is { } gate ? Linear(gate) : null,
            Up = Linear(_names.Up(index)),
            Down = Linear(_names.Down(index)),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _store.Dispose();

    private string InFile(string name) => name[_omitted.Length..];

    private NormWeights Norm(string name) => new(_store.Vector(InFile(name + ".weight")), _names.IsOpt ? _store.Vector(InFile(name + ".bias")) : null);

    private LinearWeights Linear(LinearName linear) => new()
    {
        Name = linear.Name,
        Float = _store.Table(InFile(linear.Name + ".weight")),
        Bias = linear.HasBias ? _store.Vector(InFile(linear.Name + ".bias")) : null,
    };

    private void Check()
    {
        HashSet<string> known = new(StringComparer.Ordinal);
        void Require(string name, params ReadOnlySpan<long> shape)
        {
            _store.Require(name, shape);
            known.Add(name);
        }

        void RequireNorm(string name)
        {
            Require(InFile(name + ".weight"), Config.HiddenSize);
            if (_names.IsOpt)
            {
                Require(InFile(name + ".bias"), Config.HiddenSize);
            }
        }

        Require(InFile(_names.Embedding), Config.VocabularySize, Config.HiddenSize);
        if (_names.IsOpt)
        {
            Require(InFile(_names.Positions), Config.MaximumPositions + Config.PositionOffset, Config.HiddenSize);
        }

        for (int block = 0; block < Config.Layers; block++)
        {
            RequireNorm(_names.AttentionNorm(block));
            RequireNorm(_names.MlpNorm(block));
            foreach (LinearName linear in _names.Linears(block))
            {
                Require(InFile(linear.Name + ".weight"), linear.OutputFeatures, linear.InputFeatures);
                if (linear.HasBias)
                {
                    Require(InFile(linear.Name + ".bias"), linear.OutputFeatures);
                }
            }
        }

        RequireNorm(_names.FinalNorm);
        if (!Config.TiedEmbeddings)
        {
            Require(_names.Head, Config.VocabularySize, Config.HiddenSize);
        }

        foreach ((SafetensorsFile file, TensorInfo tensor) in _store.Tensors)
        {
            if (!known.Contains(tensor.Name) && !IsHarmless(tensor.Name))
            {
                throw new CheckpointException(file.Path, $"a {Config.ModelType} model with this {ConfigFile.FileName} has no such tensor", tensor.Name, tensor.Offset);
            }
        }
    }

    // Old files carry the rotary frequencies, which follow from the config, and tied heads beside the embedding they equal.
    private bool IsHarmless(string name) => name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal) || (Config.TiedEmbeddings && name == _names.Head);
}
