using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>
/// Rotary positions in config.json, under any of the names that have been in use: `rope_theta` with `rope_scaling`, or
/// `rope_parameters` which holds both, for all layers or for each layer type. No section, an empty one, and one without a type
/// mean no scaling.
/// </summary>
internal sealed class RotaryFields
{
    private const string New = "rope_parameters", Old = "rope_scaling", Theta = "rope_theta", Part = "partial_rotary_factor", Original = "original_max_position_embeddings";
    private readonly DecoderFields _decoder;
    private readonly JsonFields? _section;
    private readonly bool _partial;

    /// <summary>Finds the section.</summary>
    /// <param name="decoder">config.json.</param>
    /// <param name="partial">Whether the architecture can turn a part of a head.</param>
    public RotaryFields(DecoderFields decoder, bool partial = false)
    {
        (_decoder, _partial) = (decoder, partial);
        JsonFields? parameters = Section(decoder.Fields, New), scaling = Section(decoder.Fields, Old);
        if (parameters is { } a && scaling is { } b && !JsonElement.DeepEquals(a.Element, b.Element))
        {
            throw decoder.Fields.Error(Old, $"contradicts {New}; keep one of them");
        }

        _section = parameters ?? scaling;
        PerLayerType = _section is { } section && section.Element.EnumerateObject().Any(p => p.Value.ValueKind == JsonValueKind.Object);
    }

    /// <summary>Whether the section holds one section for each layer type.</summary>
    public bool PerLayerType { get; }

    /// <summary>The positions of all layers.</summary>
    public RotaryLayout Whole => PerLayerType
        ? throw _section!.Value.Error(_section.Value.Element.EnumerateObject().First(p => p.Value.ValueKind == JsonValueKind.Object).Name, "rotary parameters per layer type are not supported here")
        : Read(_section, _decoder.Defaults.RotaryBase);

    /// <summary>The positions of a layer type that has a section of its own.</summary>
    /// <param name="layerType">Name of the section.</param>
    /// <param name="baseField">The field of config.json that holds the base where the section does not.</param>
    /// <param name="absent">The base where neither does.</param>
    public RotaryLayout Of(string layerType, string baseField = Theta, double? absent = null) =>
        Read(_section!.Value.Object(layerType), absent ?? _decoder.Defaults.RotaryBase, baseField);

    /// <summary>Positions without scaling.</summary>
    public RotaryLayout Plain(double rotaryBase) => new(Dimensions(null), rotaryBase);

    /// <summary>Positions without scaling, their base in a field of its own.</summary>
    public RotaryLayout Plain(string baseField, double absent) => Plain(Base(_decoder.Fields, baseField, absent));

    private RotaryLayout Read(JsonFields? section, double defaultBase, string baseField = Theta)
    {
        int dimensions = Dimensions(section);
        double rotaryBase = section is { } s && s.Has(Theta) ? Base(s, Theta, defaultBase) : Base(_decoder.Fields, baseField, defaultBase);
        return new RotaryLayout(dimensions, rotaryBase, section is { } fields ? Scaling(fields, dimensions) : null);
    }

    private int Dimensions(JsonFields? section)
    {
        JsonFields holder = section is { } s ? OneOf(s, Part) : _decoder.Fields;
        double part = holder.Number(Part, 0, 1, _decoder.Defaults.RotaryPart);
        if (part != 1 && !_partial)
        {
            throw holder.Error(Part, "only 1 is supported for this model_type");
        }

        int dimensions = (int)(_decoder.HeadSize * part);
        return dimensions >= 2 && dimensions % 2 == 0
            ? dimensions
            : throw (part == 1 ? _decoder.Fields.Error(_decoder.Fields.Has("head_dim") ? "head_dim" : "hidden_size", $"a head of {_decoder.HeadSize} channels cannot be rotated in pairs") : holder.Error(Part, $"{dimensions} of {_decoder.HeadSize} channels cannot be rotated in pairs"));
    }

    private RotaryScaling? Scaling(JsonFields section, int dimensions)
    {
        string typeField = section.Has("rope_type") ? "rope_type" : "type", type = section.Text(typeField, "default");
        if (type != "yarn" && section.Has("llama_4_scaling_beta"))
        {
            throw section.Error("llama_4_scaling_beta", "is supported with rope_type 'yarn' alone");
        }

        return type switch
        {
            "default" => null,
            "linear" => new LinearRotaryScaling(Factor(section)),
            "dynamic" => new DynamicRotaryScaling(Factor(section), dimensions > 2 ? _decoder.Positions : throw section.Error(typeField, "'dynamic' needs more than one pair that turns")),
            "llama3" => Llama3(section),
            "yarn" => Yarn(section),
            "longrope" or "su" => Long(section, dimensions),
            _ => throw section.Error(typeField, $"'{type}' is not supported; expected 'default', 'linear', 'dynamic', 'llama3', 'yarn' or 'longrope'"),
        };
    }

    private WavelengthRotaryScaling Llama3(JsonFields section)
    {
        double low = section.Number("low_freq_factor", 1e-6, 1e6), high = section.Number("high_freq_factor", 1e-6, 1e6);
        return high > low
            ? new WavelengthRotaryScaling(Factor(section), low, high, OriginalPositions(section))
            : throw section.Error("high_freq_factor", FormattableString.Invariant($"{high} is not above low_freq_factor {low}"));
    }

    private YarnRotaryScaling Yarn(JsonFields section)
    {
        int original = OriginalPositions(section);
        // A factor that is null is that of the contexts; one that is missing is not.
        double factor = section.IsNull("factor") ? (double)_decoder.Positions / original : Factor(section), fast = section.Number("beta_fast", 1e-6, 1e6, 32), slow = section.Number("beta_slow", 1e-6, 1e6, 1);
        if (fast < slow)
        {
            throw section.Error("beta_fast", FormattableString.Invariant($"{fast} is below beta_slow {slow}"));
        }

        double all = section.Number("mscale_all_dim", 0, 1e3, 0), own = section.Number("mscale", 0, 1e3, 0);
        double amplitude = section.Number("attention_factor", 1e-3, 1e3, own != 0 && all != 0
            ? YarnRotaryScaling.StandardAmplitude(factor, own) / YarnRotaryScaling.StandardAmplitude(factor, all)
            : YarnRotaryScaling.StandardAmplitude(factor));
        return new YarnRotaryScaling(factor, original, fast, slow, section.Flag("truncate", true), amplitude, section.Number("llama_4_scaling_beta", 0, 1e3, 0));
    }

    private LongRotaryScaling Long(JsonFields section, int dimensions)
    {
        int original = OriginalPositions(section);
        double factor = section.Has("factor") ? Factor(section) : (double)_decoder.Positions / original;
        double amplitude = section.Number("attention_factor", 1e-3, 1e3, factor <= 1 ? 1 : Math.Sqrt(1 + (ReproducibleMath.Log(factor) / ReproducibleMath.Log(original))));
        return new LongRotaryScaling(Divisors(section, "short_factor", dimensions), Divisors(section, "long_factor", dimensions), original, amplitude);
    }

    private static double[] Divisors(JsonFields section, string name, int dimensions)
    {
        List<JsonElement> values = section.Array(name);
        if (values.Count != dimensions / 2)
        {
            throw section.Error(name, $"has {values.Count} entries for {dimensions / 2} pairs that turn");
        }

        return [.. values.Select(v => v.ValueKind == JsonValueKind.Number && v.TryGetDouble(out double divisor) && divisor is >= 1e-3 and <= 1e6
            ? divisor
            : throw section.Error(name, $"{JsonFields.Shorten(v)} is not a number from 0.001 to 1000000"))];
    }

    private static double Factor(JsonFields section) => section.Number("factor", 1, 1e6);

    // Phi-3 has it beside the section.
    private int OriginalPositions(JsonFields section) => OneOf(section, Original).Integer(Original, 2, int.MaxValue, _decoder.Defaults.OriginalPositions ?? _decoder.Positions);

    /// <summary>The section or config.json, whichever has a field that may stand in either.</summary>
    private JsonFields OneOf(JsonFields section, string name) =>
        !section.Has(name) ? _decoder.Fields
        : !_decoder.Fields.Has(name) || JsonElement.DeepEquals(section.Required(name), _decoder.Fields.Required(name)) ? section
        : throw section.Error(name, $"{JsonFields.Shorten(section.Required(name))} contradicts {name} {JsonFields.Shorten(_decoder.Fields.Required(name))} beside it");

    private static double Base(JsonFields fields, string name, double absent) => fields.Number(name, 1.0001, 1e15, absent);

    private static JsonFields? Section(JsonFields fields, string name) =>
        fields.Has(name) && fields.Object(name) is var section && section.Element.EnumerateObject().Any() ? section : null;
}
