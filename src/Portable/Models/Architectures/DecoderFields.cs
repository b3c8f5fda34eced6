using Portable.Checkpoints.Files;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>The fields that nearly every decoder's config.json has, with a family's defaults for those that it omits.</summary>
internal sealed class DecoderFields
{
    // Generous, and small enough that every product of two of them fits 64 bits.
    private const int LargestSize = 1 << 24;
    private const int LargestDepth = 10_000;
    private const int LargestContext = 1 << 30;

    private readonly string _type;

    /// <summary>Reads them.</summary>
    /// <param name="fields">config.json.</param>
    /// <param name="type">model_type.</param>
    /// <param name="defaults">What omitted fields mean.</param>
    public DecoderFields(JsonFields fields, string type, ConfigDefaults defaults)
    {
        (Fields, _type, Defaults) = (fields, type, defaults);
        Hidden = fields.Integer("hidden_size", 1, LargestSize, defaults.HiddenSize);
        Heads = fields.Integer("num_attention_heads", 1, LargestSize, defaults.Heads);
        // An explicit null means one key head per query head, in every family.
        KeyValueHeads = fields.Integer("num_key_value_heads", 1, Heads, fields.IsNull("num_key_value_heads") ? Heads : defaults.KeyValueHeads ?? Heads);
        if (Heads % KeyValueHeads != 0)
        {
            throw fields.Error("num_key_value_heads", $"{KeyValueHeads}{(fields.Has("num_key_value_heads") ? "" : $", the default of {type},")} does not divide num_attention_heads {Heads}");
        }

        bool divided = !fields.Has("head_dim") && (defaults.HeadSize is null || fields.IsNull("head_dim"));
        if (divided && Hidden % Heads != 0)
        {
            throw fields.Error("num_attention_heads", $"{Heads} does not divide hidden_size {Hidden}");
        }

        HeadSize = fields.Integer("head_dim", 2, LargestSize, divided ? Hidden / Heads : defaults.HeadSize ?? Hidden / Heads);
        Layers = fields.Integer("num_hidden_layers", 1, LargestDepth, defaults.Layers);
        Positions = fields.Integer("max_position_embeddings", 1, LargestContext, defaults.Positions);
    }

    /// <summary>config.json.</summary>
    public JsonFields Fields { get; }

    /// <summary>What omitted fields mean.</summary>
    public ConfigDefaults Defaults { get; }

    /// <summary>hidden_size.</summary>
    public int Hidden { get; }

    /// <summary>num_attention_heads.</summary>
    public int Heads { get; }

    /// <summary>num_key_value_heads.</summary>
    public int KeyValueHeads { get; }

    /// <summary>head_dim.</summary>
    public int HeadSize { get; }

    /// <summary>num_hidden_layers.</summary>
    public int Layers { get; }

    /// <summary>max_position_embeddings.</summary>
    public int Positions { get; }

    /// <summary>A block of these sizes: RMSNorm before each part, no positions yet.</summary>
    /// <param name="activationField">Name of the MLP's activation.</param>
    /// <param name="activation">The activation where it is omitted.</param>
    /// <param name="epsilonField">Name of ε.</param>
    public BlockLayout Block(string activationField = "hidden_act", string activation = "silu", string epsilonField = "rms_norm_eps")
    {
        bool attention = Fields.Flag("attention_bias", false);
        return new BlockLayout
        {
            Hidden = Hidden,
            Intermediate = Size("intermediate_size", Defaults.IntermediateSize),
            Attention = new AttentionLayout(Heads, KeyValueHeads, HeadSize),
            NormEpsilon = (float)Fields.Number(epsilonField, 1e-12, 1, Defaults.NormEpsilon),
            Activation = Activation(activationField, activation),
            AttentionBias = attention,
            OutputBias = attention,
            MlpBias = Fields.Flag("mlp_bias", false),
        };
    }

    /// <summary>One block for each layer.</summary>
    /// <param name="block">What they share.</param>
    /// <param name="rotary">Positions of all layers.</param>
    /// <param name="windows">Windows, or null for none.</param>
    public BlockLayout[] Blocks(BlockLayout block, RotaryLayout? rotary, LayerWindows? windows = null) => Blocks(block, rotary, rotary, windows);

    /// <summary>One block for each layer.</summary>
    /// <param name="block">What they share.</param>
    /// <param name="full">Positions of layers that see all.</param>
    /// <param name="sliding">Positions of layers with a window.</param>
    /// <param name="windows">Windows, or null for none.</param>
    public BlockLayout[] Blocks(BlockLayout block, RotaryLayout? full, RotaryLayout? sliding, LayerWindows? windows)
    {
        // A window as long as the context hides nothing.
        int window = windows is { } w && w.Window < Positions ? w.Window : 0;
        BlockLayout all = block with { Rotary = full }, some = block with { Rotary = sliding, Attention = block.Attention with { Window = window } };
        return [.. Enumerable.Range(0, Layers).Select(layer => windows?.Sliding[layer] == true ? some : all)];
    }

    /// <summary>The model of these blocks.</summary>
    public ModelConfig Model(params BlockLayout[] blocks)
    {
        double stretch = blocks.Select(b => b.Rotary?.Scaling is DynamicRotaryScaling dynamic ? dynamic.Factor : 1).Max();
        return new ModelConfig
        {
            ModelType = _type,
            Blocks = blocks,
            VocabularySize = Size("vocab_size", Defaults.VocabularySize),
            MaximumPositions = (int)Math.Min(Positions * stretch, LargestContext),
            TiedEmbeddings = Fields.Flag("tie_word_embeddings", Defaults.TiedEmbeddings),
        };
    }

    /// <summary>An activation by its name.</summary>
    /// <param name="name">The field.</param>
    /// <param name="absent">The name where it is omitted.</param>
    public ActivationKind Activation(string name, string absent) => Fields.Text(name, absent) switch
    {
        "relu" => ActivationKind.Relu,
        "relu2" => ActivationKind.SquaredRelu,
        "silu" or "swish" => ActivationKind.Silu,
        "gelu" => ActivationKind.GeluErf,
        "gelu_pytorch_tanh" or "gelu_new" => ActivationKind.GeluTanh,
        string other => throw Fields.Error(name, $"'{other}' is not supported; expected silu, gelu, gelu_pytorch_tanh, relu or relu2"),
    };

    /// <summary>A factor, 1 where it is omitted.</summary>
    public float Factor(string name) => (float)Fields.Number(name, 1e-6, 1e6, 1);

    /// <summary>A softcap, 0 where it is omitted or null.</summary>
    /// <param name="name">The field.</param>
    /// <param name="absent">The cap where it is omitted.</param>
    public float Softcap(string name, double absent = 0) => (float)(Fields.IsNull(name) ? 0 : absent == 0 && !Fields.Has(name) ? 0 : Fields.Number(name, 1e-2, 1e6, absent));

    /// <summary>Refuses another value of a flag than the one that is implemented.</summary>
    public void RequireFlag(string name, bool value)
    {
        if (Fields.Flag(name, value) != value)
        {
            throw Fields.Error(name, $"{(value ? "false" : "true")} is not supported");
        }
    }

    /// <summary>A size, with a default.</summary>
    public int Size(string name, int absent) => Fields.Integer(name, 1, LargestSize, absent);
}
