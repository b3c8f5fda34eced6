using System.Text.Json;
using System.Text.Json.Nodes;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.HuggingFace;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;

namespace Portable.Checkpoints.Format;

/// <summary>What the metadata of a block's shard says of one linear layer; the tensors hold the rest.</summary>
/// <param name="Version">Version of the format.</param>
/// <param name="Store">How its codes lie in the file.</param>
/// <param name="Format">Code format in memory.</param>
/// <param name="Layout">K', cut at the borders of the finer of weights' and input's groups.</param>
/// <param name="GroupSize">Columns that share a weight scale; 0 = all.</param>
/// <param name="Input">The input's quantizer, without its column map.</param>
/// <param name="Report">Name, scheme, errors.</param>
internal sealed record LinearRecord(int Version, CodeStore Store, CodeFormat Format, GroupLayout Layout, int GroupSize, ActivationQuantizer Input, LayerReport Report)
{
    private static readonly (ActivationMode Mode, string Name)[] Modes =
        [(ActivationMode.Symmetric, "symmetric"), (ActivationMode.Asymmetric, "asymmetric"), (ActivationMode.Static, "static")];

    /// <summary>The record of a layer that is to be written.</summary>
    public static LinearRecord Of(int version, LinearWeights linear, LayerReport report)
    {
        QuantizedLinear quantized = linear.Quantized ?? throw new ArgumentException($"{linear.Name} is not quantized.");
        bool fiveLevels = QuantizationScheme.Parse(report.Scheme).Balanced;
        return new LinearRecord(version, fiveLevels ? CodeStore.FiveLevels : CodeStore.Planes, quantized.Weights.Format, quantized.Weights.Layout, quantized.GroupSize, quantized.Input with { Map = null }, report);
    }

    /// <summary>Which groups share a weight scale and a zero point.</summary>
    public ScaleGroups ScaleGroups => Layout.Scales(GroupSize);

    /// <summary>JSON with a fixed order of fields.</summary>
    public JsonObject ToJson()
    {
        JsonObject input = new()
        {
            ["mode"] = Array.Find(Modes, m => m.Mode == Input.Mode).Name,
            ["bits"] = Input.Format.Bits,
            ["group"] = Input.GroupSize,
        };
        if (Input.Mode == ActivationMode.Static)
        {
            input["scale"] = Input.StaticScale;
        }

        JsonObject json = new()
        {
            ["name"] = Report.Name,
            ["scheme"] = Report.Scheme,
            ["codes"] = Store.Name,
            ["bits"] = Format.Bits,
            ["signed"] = Format.Signed,
            ["columns"] = Layout.Columns,
            ["group"] = GroupSize,
            ["input"] = input,
        };
        LayerReports.Append(json, Report);
        return json;
    }

    /// <summary>Reads and checks a record.</summary>
    /// <param name="fields">The record.</param>
    /// <param name="name">The layer's name from the architecture and config.json.</param>
    /// <param name="version">Version of the format.</param>
    public static LinearRecord Parse(JsonFields fields, LinearName name, int version)
    {
        if (fields.Text("name") != name.Name)
        {
            throw fields.Error("name", $"'{fields.Text("name")}' stands where {name.Name} belongs");
        }

        LayerReport report = LayerReports.Parse(fields);
        string storeName = fields.Text("codes");
        CodeStore store = CodeStore.Find(storeName) ?? throw fields.Error("codes", $"'{storeName}' is not known; expected 'planes' or 'base5'");
        CodeFormat format = new(fields.Integer("bits", 1, 8), fields.Flag("signed", false));
        if (store == CodeStore.FiveLevels && format != new CodeFormat(3, signed: false))
        {
            throw fields.Error("bits", $"five levels are 3 unsigned planes in memory, not {format}");
        }

        if (QuantizationScheme.Parse(report.Scheme).Balanced != (store == CodeStore.FiveLevels))
        {
            throw fields.Error("codes", $"'{storeName}' does not go with scheme {report.Scheme}");
        }

        int columns = fields.Integer("columns", 1, 1 << 26);
        int group = fields.Integer("group", 0, columns);
        ActivationQuantizer input = ParseInput(fields.Object("input"), new GroupLayout(columns, group), format, version);
        GroupLayout layout = GroupLayout.Cut(columns, group, input.GroupSize);
        return new LinearRecord(version, store, format, layout, layout.Groups == 1 ? 0 : group, input, report);
    }

    private static ActivationQuantizer ParseInput(JsonFields fields, GroupLayout layout, CodeFormat weights, int version)
    {
        string modeName = fields.Text("mode");
        int index = Array.FindIndex(Modes, m => m.Name == modeName);
        if (index < 0)
        {
            throw fields.Error("mode", $"'{modeName}' is not known; expected one of {string.Join(", ", Modes.Select(m => m.Name))}");
        }

        ActivationMode mode = Modes[index].Mode;
        int bits = fields.Integer("bits", 1, 16);
        if (bits is > 8 and not 16 || (bits == 1 && mode != ActivationMode.Asymmetric))
        {
            throw fields.Error("bits", $"{bits}-bit {modeName} activations do not exist");
        }

        int group = fields.Integer("group", 0, int.MaxValue);
        int columns = layout.Columns, own = layout.GroupSize;
        bool known = version == PortableFormat.OldestVersion ? new GroupLayout(columns, group) == layout : group >= columns || own == columns || group % own == 0 || own % group == 0;
        if (group != 0 && (mode == ActivationMode.Static || !known))
        {
            throw fields.Error("group", $"groups of {group} are neither the whole token nor {(version == PortableFormat.OldestVersion ? "the groups of the weights" : $"in step with the weights' groups of {own}")}");
        }

        CodeFormat format = new(bits, signed: mode != ActivationMode.Asymmetric);
        int longest = group == 0 ? own : Math.Min(group, own);
        if (longest > MatmulShape.MaximumGroup(weights, format))
        {
            throw fields.Error("bits", $"{longest} columns of {weights} weights and {format} activations can overflow 32-bit sums");
        }

        float scale = mode == ActivationMode.Static ? (float)fields.Number("scale", Contract.MinimumScale, Contract.MaximumScale) : 0;
        return new ActivationQuantizer(format, mode, group, scale);
    }
}

/// <summary>Reports in JSON: in the metadata of shards, in the manifest, and as <c>quantize --json</c> prints them.</summary>
internal static class LayerReports
{
    /// <summary>Adds the errors to an object that has name and scheme.</summary>
    public static void Append(JsonObject json, LayerReport report)
    {
        json["error"] = report.Error;
        if (report.OutputError is { } outputError)
        {
            json["output_error"] = outputError;
        }

        foreach ((string key, double value) in report.Details.OrderBy(d => d.Key, StringComparer.Ordinal))
        {
            if (json["details"] is not JsonObject details)
            {
                json["details"] = details = [];
            }

            details[key] = value;
        }
    }

    /// <summary>Name, scheme and errors.</summary>
    public static JsonObject ToJson(LayerReport report)
    {
        JsonObject json = new() { ["name"] = report.Name, ["scheme"] = report.Scheme };
        Append(json, report);
        return json;
    }

    /// <summary>Reads a report.</summary>
    public static LayerReport Parse(JsonFields fields)
    {
        string scheme = fields.Text("scheme");
        try
        {
            QuantizationScheme.Parse(scheme);
        }
        catch (FormatException e)
        {
            throw fields.Error("scheme", e.Message);
        }

        Dictionary<string, double> details = new(StringComparer.Ordinal);
        if (fields.Has("details"))
        {
            JsonFields values = fields.Object("details");
            foreach (JsonProperty entry in values.Element.EnumerateObject())
            {
                details.Add(entry.Name, values.Number(entry.Name, double.MinValue, double.MaxValue));
            }
        }

        return new LayerReport(
            fields.Text("name"), scheme, fields.Number("error", 0, double.MaxValue),
            fields.Has("output_error") ? fields.Number("output_error", 0, double.MaxValue) : null, details);
    }
}
