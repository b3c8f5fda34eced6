using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Reference.Arithmetic;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>The rotary base and its scaling in config.json, under any of the names that have been in use.</summary>
internal static class RotaryFields
{
    private const string New = "rope_parameters", Old = "rope_scaling", Partial = "partial_rotary_factor";

    /// <summary>Reads `rope_theta` with `rope_scaling`, or `rope_parameters` which holds both. No section, an empty one, and one without a type mean no scaling.</summary>
    public static (double Base, RotaryScaling? Scaling) Read(JsonFields fields, int positions)
    {
        JsonFields? parameters = Section(fields, New), scaling = Section(fields, Old);
        if (parameters is { } a && scaling is { } b && !JsonElement.DeepEquals(a.Element, b.Element))
        {
            throw fields.Error(Old, $"contradicts {New}; keep one of them");
        }

        RequireWhole(fields);
        if ((parameters ?? scaling) is not { } section)
        {
            return (Base(fields), null);
        }

        RequireWhole(section);
        foreach (JsonProperty property in section.Element.EnumerateObject())
        {
            if (property.Value.ValueKind == JsonValueKind.Object)
            {
                throw section.Error(property.Name, "rotary parameters per layer type are not supported");
            }
        }

        double rotaryBase = Base(section.Has("rope_theta") ? section : fields);
        string typeField = section.Has("rope_type") ? "rope_type" : "type", type = section.Text(typeField, "default");
        switch (type)
        {
            case "default":
                return (rotaryBase, null);
            case "llama3":
                double low = section.Number("low_freq_factor", 1e-6, 1e6), high = section.Number("high_freq_factor", 1e-6, 1e6);
                if (high <= low)
                {
                    throw section.Error("high_freq_factor", FormattableString.Invariant($"{high} is not above low_freq_factor {low}"));
                }

                return (rotaryBase, new RotaryScaling(section.Number("factor", 1, 1e6), low, high, section.Integer("original_max_position_embeddings", 1, int.MaxValue, positions)));
            default:
                throw section.Error(typeField, $"'{type}' is not supported; expected 'llama3' or 'default'");
        }
    }

    private static double Base(JsonFields fields) => fields.Number("rope_theta", 1, 1e15, 10000);

    private static JsonFields? Section(JsonFields fields, string name) =>
        fields.Has(name) && fields.Object(name) is var section && section.Element.EnumerateObject().Any() ? section : null;

    private static void RequireWhole(JsonFields fields)
    {
        if (fields.Number(Partial, double.MinValue, double.MaxValue, 1) != 1)
        {
            throw fields.Error(Partial, "only 1 is supported");
        }
    }
}
