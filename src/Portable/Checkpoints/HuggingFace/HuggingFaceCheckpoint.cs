using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Safetensors;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>
/// A float checkpoint in Hugging Face layout: config.json and safetensors, one file or shards. Names, shapes and element
/// types of all tensors are checked on opening; values (NaN, infinity) when a part is first loaded.
/// </summary>
/// <remarks>
/// Names are those of the architecture's row in the table. A tensor that the architecture does not have is an error too: it
/// would mean a computation that is not the model's.
/// </remarks>
internal sealed class HuggingFaceCheckpoint : IModelSource
{
    private const string Quantized = "quantization_config";

    private readonly TensorStore _store;
    private readonly ModelNames _names;

    // What the file has in front of its names, in place of the architecture's first root.
    private readonly string _root;

    // Roots of a language model alone, and within files that hold a vision model as well.
    private static readonly string[] Wrappers = ["*", "language_model.*", "model.language_model."];

    // Parts of such files that read images.
    private static readonly string[] Vision = ["vision_tower.", "multi_modal_projector.", "model.vision_tower.", "model.multi_modal_projector."];

    private HuggingFaceCheckpoint(string directory, ModelConfig config)
    {
        (Config, _names) = (config, new ModelNames(config));
        _store = new TensorStore(directory);
        _root = Wrappers.SelectMany(w => _names.Roots.Select(root => w.Replace("*", root, StringComparison.Ordinal))).FirstOrDefault(root => _store.Has(root + _names.Embedding[_names.Root.Length..]), _names.Root);
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

    /// <inheritdoc/>
    public ModelConfig Config { get; private set; }

    /// <inheritdoc/>
    public int KeyValueBits => 32;

    /// <summary>Opens a checkpoint.</summary>
    /// <exception cref="CheckpointException">A file is missing or damaged, or the model is one that Portable does not run.</exception>
    public static HuggingFaceCheckpoint Open(string directory)
    {
        ModelConfig config = ConfigFile.Read(directory);
        string path = Path.Combine(directory, ConfigFile.FileName);
        using JsonDocument document = JsonFile.Read(path);
        JsonFields whole = new(path, document.RootElement), language = ConfigFile.Language(whole);
        foreach (JsonFields fields in (JsonFields[])[whole, language])
        {
            if (fields.Has(Quantized))
            {
                string method = fields.Object(Quantized).Text("quant_method", "none named");
                throw fields.Error(Quantized, $"weights quantized by another tool ({method}) are not supported; give the checkpoint in F32, F16 or BF16 that they were made from");
            }
        }

        return new HuggingFaceCheckpoint(directory, config);
    }

    /// <inheritdoc/>
    public TableWeights LoadEmbedding() => new(_store.Table(InFile(_names.Embedding)));

    /// <inheritdoc/>
    public FloatTable? LoadPositions() => Config.LearnedPositionOffset is null ? null : _store.Table(InFile(_names.Positions));

    /// <inheritdoc/>
    public TableWeights? LoadHead() => Config.TiedEmbeddings ? null : new(_store.Table(HeadInFile));

    /// <inheritdoc/>
    public NormWeights LoadFinalNorm() => Norm(_names.FinalNorm, Config.LogitScale);

    /// <inheritdoc/>
    public BlockWeights LoadBlock(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Config.Layers);
        return BlockWeights.Create(Config.Blocks[index], norm => Norm(_names.Norm(index, norm)), slot => Linear(index, slot));
    }

    /// <summary>The element type that a linear layer has in the file; in a block it is F32 where a factor of the config is multiplied into it.</summary>
    public ElementType StoredType(int block, BlockSlot slot) => _store.Table(InFile(_names.Source(block, slot).Name + ".weight")).Type;

    /// <inheritdoc/>
    public void Dispose() => _store.Dispose();

    // A head lies beside the root, or beside the language model within a file of more.
    private string HeadInFile => !_store.Has(_names.Head) && _store.Has("language_model." + _names.Head) ? "language_model." + _names.Head : _names.Head;

    private string InFile(string name) => name.StartsWith(_names.Root, StringComparison.Ordinal) ? _root + name[_names.Root.Length..] : name;

    private NormWeights Norm(NormName norm, float scale = 1)
    {
        float[] gain = _store.Vector(InFile(norm.Name + ".weight"));
        float one = _names.GainsExceedOne ? 1 : 0;
        float[]? bias = norm.HasBias ? _store.Vector(InFile(norm.Name + ".bias")) : null;
        return one == 0 && scale == 1 ? new NormWeights(gain, bias) : new NormWeights([.. gain.Select(g => (one + g) * scale)], bias is null || scale == 1 ? bias : [.. bias.Select(b => b * scale)]);
    }

    private LinearWeights Linear(int block, BlockSlot slot)
    {
        LinearName linear = _names.Linear(block, slot);
        LinearSource source = _names.Source(block, slot);
        FloatTable table = _store.Table(InFile(source.Name + ".weight"));
        float[]? bias = linear.HasBias ? _store.Vector(InFile(source.Name + ".bias")) : null;
        LinearWeights weights = new()
        {
            Name = linear.Name,
            Float = source.TensorRows == linear.OutputFeatures ? table : table.Slice(source.FirstRow, linear.OutputFeatures),
            Bias = source.TensorRows == linear.OutputFeatures ? bias : bias?.AsSpan(source.FirstRow, linear.OutputFeatures).ToArray(),
        };
        return slot is BlockSlot.Output or BlockSlot.Down ? weights.Scaled(Config.ResidualScale) : weights;
    }

    private void Check()
    {
        HashSet<string> known = new(StringComparer.Ordinal);
        void Require(string name, params ReadOnlySpan<long> shape)
        {
            _store.Require(name, shape);
            known.Add(name);
        }

        void RequireNorm(NormName norm)
        {
            Require(InFile(norm.Name + ".weight"), norm.Width);
            if (norm.HasBias)
            {
                Require(InFile(norm.Name + ".bias"), norm.Width);
            }
        }

        Require(InFile(_names.Embedding), Config.VocabularySize, Config.HiddenSize);
        if (Config.LearnedPositionOffset is { } offset)
        {
            Require(InFile(_names.Positions), Config.MaximumPositions + offset, Config.HiddenSize);
        }

        for (int block = 0; block < Config.Layers; block++)
        {
            foreach (NormName norm in _names.Norms(block))
            {
                RequireNorm(norm);
            }

            foreach (BlockSlot slot in Config.Blocks[block].Slots)
            {
                LinearName linear = _names.Linear(block, slot);
                LinearSource source = _names.Source(block, slot);
                Require(InFile(source.Name + ".weight"), source.TensorRows, linear.InputFeatures);
                if (linear.HasBias)
                {
                    Require(InFile(source.Name + ".bias"), source.TensorRows);
                }
            }
        }

        RequireNorm(_names.FinalNorm);
        if (!Config.TiedEmbeddings)
        {
            Require(HeadInFile, Config.VocabularySize, Config.HiddenSize);
        }

        int skipped = _root == _names.Root ? 0 : _store.Tensors.Count(t => Vision.Any(v => t.Tensor.Name.StartsWith(v, StringComparison.Ordinal)));
        Config = skipped == 0 ? Config : Config with { Notes = [.. Config.Notes, $"{skipped} tensors of the vision model are not used: Portable runs the language model alone"] };
        foreach ((SafetensorsFile file, TensorInfo tensor) in _store.Tensors)
        {
            if (!known.Contains(tensor.Name) && !IsHarmless(tensor.Name))
            {
                throw new CheckpointException(file.Path, $"a {Config.ModelType} model with this {ConfigFile.FileName} has no such tensor", tensor.Name, tensor.Offset);
            }
        }
    }

    // Old files carry the rotary frequencies, which follow from the config, and tied heads beside the embedding they equal.
    private bool IsHarmless(string name) => name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal)
        || (_root != _names.Root && Vision.Any(v => name.StartsWith(v, StringComparison.Ordinal)))
        || (Config.TiedEmbeddings && name == HeadInFile);
}
