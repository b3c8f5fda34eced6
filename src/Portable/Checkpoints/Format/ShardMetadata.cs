using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Safetensors;
using Portable.Models.Architectures;

namespace Portable.Checkpoints.Format;

/// <summary>The metadata of a shard: version, what the shard is, and the <see cref="LinearRecord"/>s of its quantized layers.</summary>
internal static class ShardMetadata
{
    /// <summary>Key of the metadata that is ours.</summary>
    public const string Key = "portable";

    /// <summary>The metadata of a file that is to be written.</summary>
    /// <param name="version">Version of the format.</param>
    /// <param name="what">Fields behind the version.</param>
    /// <param name="list">Name of the list of records.</param>
    /// <param name="records">The records.</param>
    public static Dictionary<string, string> Of(int version, JsonObject what, string list, IEnumerable<LinearRecord> records)
    {
        JsonObject metadata = new() { ["version"] = version };
        foreach ((string name, JsonNode? value) in what)
        {
            metadata[name] = value?.DeepClone();
        }

        metadata[list] = new JsonArray([.. records.Select(r => r.ToJson())]);
        return new Dictionary<string, string> { [Key] = metadata.ToJsonString() };
    }

    /// <summary>Reads the metadata, and checks presence, types and shapes of the tensors that it speaks of.</summary>
    /// <param name="reader">The file.</param>
    /// <param name="version">The checkpoint's version of the format.</param>
    /// <param name="list">Name of the list of records.</param>
    /// <param name="names">The layers that must be there, in order.</param>
    /// <param name="check">Checks the other fields.</param>
    /// <exception cref="CheckpointException">It is missing or wrong.</exception>
    public static Dictionary<string, LinearRecord> Read(TensorReader reader, int version, string list, IReadOnlyList<LinearName> names, Action<JsonFields>? check = null)
    {
        SafetensorsFile file = reader.File;
        if (!file.Metadata.TryGetValue(Key, out string? text))
        {
            throw new CheckpointException(file.Path, $"the metadata has no entry '{Key}'", offset: 8);
        }

        using JsonDocument document = JsonFile.Parse(file.Path, Encoding.UTF8.GetBytes(text), 8);
        JsonFields fields = new(file.Path, document.RootElement, Key + ".");
        if (PortableFormat.ReadVersion(fields) is var own && own != version)
        {
            throw fields.Error("version", $"{own} is not the checkpoint's {version}");
        }

        check?.Invoke(fields);
        List<JsonElement> entries = fields.Array(list);
        if (entries.Count != names.Count)
        {
            throw fields.Error(list, $"{entries.Count} {list} where there are {names.Count}");
        }

        Dictionary<string, LinearRecord> records = new(StringComparer.Ordinal);
        for (int i = 0; i < entries.Count; i++)
        {
            LinearRecord record = LinearRecord.Parse(new JsonFields(file.Path, entries[i], FormattableString.Invariant($"{Key}.{list}[{i}].")), names[i], version);
            QuantizedTensors.Require(reader, names[i], record);
            records.Add(names[i].Name, record);
        }

        return records;
    }
}
