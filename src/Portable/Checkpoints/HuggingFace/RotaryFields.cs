using Portable.Checkpoints.Files;
using Portable.Reference.Arithmetic;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>The rotary base and its scaling in config.json, under any of the names that have been in use.</summary>
internal static class RotaryFields
{
    /// <summary>Reads `rope_theta` with `rope_scaling`, or `rope_parameters` which holds both.</summary>
    public static (double Base, RotaryScaling? Scaling) Read(JsonFields fields, int positions)
    {
        string section = fields.Has("rope_parameters") ? "rope_parameters" : "rope_scaling";
        JsonFields? scaling = fields.Has(section) ? fields.Object(section) : null;
        JsonFields holder = scaling is { } s && s.Has("rope_theta") ? s : fields;
        double rotaryBase = holder.Number("rope_theta", 1, 1e15, 10000);
        if (scaling is not { } parameters)
        {
            return (rotaryBase, null);
        }

        string typeField = parameters.Has("rope_type") ? "rope_type" : "type", type = parameters.Text(typeField);
        switch (type)
        {
            case "default":
                return (rotaryBase, null);
            case "llama3":
                double low = parameters.Number("low_freq_factor", 1e-6, 1e6), high = parameters.Number("high_freq_factor", 1e-6, 1e6);
                if (high <= low)
                {
                    throw parameters.Error("high_freq_factor", FormattableString.Invariant($"{high} is not above low_freq_factor {low}"));
                }

                return (rotaryBase, new RotaryScaling(parameters.Number("factor", 1, 1e6), low, high, parameters.Integer("original_max_position_embeddings", 1, int.MaxValue, positions)));
            default:
                throw parameters.Error(typeField, $"'{type}' is not supported; expected 'llama3' or 'default'");
        }
    }
}
