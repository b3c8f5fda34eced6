using System.Text.Json;
using System.Text.Json.Nodes;

namespace Portable.Checkpoints.Format;

/// <summary>What two runs were told otherwise, for the one that finds the other's unfinished directory.</summary>
internal static class RunDifference
{
    private const int Most = 3, LongestValue = 40;

    /// <summary>The first differences of two run.json, in words: ", with scheme W4A8 (here W3A8)"; empty where the first cannot be read.</summary>
    /// <param name="begun">What the other run was told.</param>
    /// <param name="wanted">What this run is told.</param>
    public static string Describe(ReadOnlySpan<byte> begun, ReadOnlySpan<byte> wanted)
    {
        try
        {
            SortedDictionary<string, string> theirs = Leaves(begun), ours = Leaves(wanted);
            string[] differences =
            [
                .. theirs.Keys.Union(ours.Keys).Where(k => theirs.GetValueOrDefault(k) != ours.GetValueOrDefault(k))
                    .Select(k => Say(k, theirs.GetValueOrDefault(k), ours.GetValueOrDefault(k))).Distinct(),
            ];
            return $", with {string.Join(", ", differences.Take(Most))}{(differences.Length > Most ? ", …" : "")}";
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return "";
        }
    }

    private static string Say(string path, string? theirs, string? ours)
    {
        string[] parts = path.Split('/', 2);
        return parts switch
        {
            ["inputs", var file] => $"another {file} of the float model",
            ["options", "calibration/sha256"] => theirs is null ? "no calibration text" : ours is null ? "a calibration text" : "another calibration text",
            ["options", var option] => $"{option.Split('/')[^1]} {Value(theirs)} (here {Value(ours)})",
            ["version"] => $"format {Value(theirs)} (here {Value(ours)})",
            _ => $"{path} {Value(theirs)} (here {Value(ours)})",
        };
    }

    private static string Value(string? value) => value switch
    {
        null or "" => "as by default",
        { Length: > LongestValue } => value[..LongestValue] + "…",
        _ => value,
    };

    private static SortedDictionary<string, string> Leaves(ReadOnlySpan<byte> json)
    {
        SortedDictionary<string, string> leaves = new(StringComparer.Ordinal);
        Add("", JsonNode.Parse(json)!.AsObject());
        return leaves;

        void Add(string path, JsonObject node)
        {
            foreach ((string key, JsonNode? value) in node)
            {
                if (value is JsonObject inner)
                {
                    Add($"{path}{key}/", inner);
                }
                else
                {
                    leaves.Add(path + key, value?.ToString() ?? "");
                }
            }
        }
    }
}
