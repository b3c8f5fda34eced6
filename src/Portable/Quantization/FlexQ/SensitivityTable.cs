using System.Globalization;
using System.Text.Json.Nodes;

namespace Portable.Quantization.FlexQ;

/// <summary>One row of the sensitivity analysis: what giving a linear type (or a single linear) more activation bits gains.</summary>
/// <param name="Name">Type (down_proj) or module name.</param>
/// <param name="MultiplyAdds">Multiply-adds per token.</param>
/// <param name="Share">Part of all block linears' multiply-adds.</param>
/// <param name="Gain">Divergence that it causes at the low width, nats per token.</param>
internal sealed record SensitivityRow(string Name, long MultiplyAdds, double Share, double Gain)
{
    /// <summary>Gain per share of multiply-adds.</summary>
    public double GainPerShare => SensitivityTable.Rounded(Gain / Share);
}

/// <summary>Result of the sensitivity analysis: both tables, and the layers that keep the high activation width.</summary>
/// <param name="Types">By linear type over all blocks.</param>
/// <param name="Layers">By single linear.</param>
/// <param name="Budget">Largest share of multiply-adds at the high width.</param>
/// <param name="Share">The share that the decision uses.</param>
/// <param name="Basis">How the decision came about.</param>
/// <param name="Retained">Module names at the high width, in model order.</param>
/// <param name="Tokens">Tokens that the divergences are means over.</param>
internal sealed record SensitivityTable(IReadOnlyList<SensitivityRow> Types, IReadOnlyList<SensitivityRow> Layers, double Budget, double Share, string Basis, IReadOnlyList<string> Retained, int Tokens)
{
    /// <summary>The metric, in words.</summary>
    public const string Metric = "mean KL divergence (nats per token) of the next-token distribution, all activations at the high width against this type or layer at the low width, weights quantized, integer kernels";

    /// <summary>Six significant digits: what is stored is what was compared.</summary>
    public static double Rounded(double value) => double.Parse(value.ToString("G6", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);

    /// <summary>For the manifest.</summary>
    public JsonObject ToJson() => new()
    {
        ["metric"] = Metric,
        ["tokens"] = Tokens,
        ["types"] = new JsonArray([.. Types.Select(Row)]),
        ["layers"] = new JsonArray([.. Layers.Select(Row)]),
        ["budget"] = Budget,
        ["share"] = Share,
        ["basis"] = Basis,
        ["retained"] = new JsonArray([.. Retained.Select(name => (JsonNode)name)]),
    };

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    public static SensitivityTable FromJson(JsonNode json) => new(
        [.. json["types"]!.AsArray().Select(Row)],
        [.. json["layers"]!.AsArray().Select(Row)],
        json["budget"]!.GetValue<double>(),
        json["share"]!.GetValue<double>(),
        json["basis"]!.GetValue<string>(),
        [.. json["retained"]!.AsArray().Select(n => n!.GetValue<string>())],
        json["tokens"]!.GetValue<int>());

    /// <summary>The tables and the decision as lines of text.</summary>
    public IEnumerable<string> Describe()
    {
        yield return $"sensitivity: {Metric}; {Tokens} tokens";
        foreach (SensitivityRow row in Types.Concat(Layers.OrderByDescending(r => r.GainPerShare)))
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"  {row.Name,-40} share {row.Share,7:P2}  gain {row.Gain:E3}  gain per share {row.GainPerShare:E3}");
        }

        yield return string.Create(CultureInfo.InvariantCulture, $"decision ({Basis}): {Retained.Count} layers, {Share:P2} of the multiply-adds, budget {Budget:P2}");
    }

    private static JsonNode Row(SensitivityRow row) => new JsonObject
    {
        ["name"] = row.Name,
        ["multiply_adds"] = row.MultiplyAdds,
        ["share"] = row.Share,
        ["gain"] = row.Gain,
        ["gain_per_share"] = row.GainPerShare,
    };

    private static SensitivityRow Row(JsonNode? json) => new(
        json!["name"]!.GetValue<string>(), json["multiply_adds"]!.GetValue<long>(), json["share"]!.GetValue<double>(), json["gain"]!.GetValue<double>());
}
