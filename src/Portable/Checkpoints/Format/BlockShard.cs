using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.HuggingFace;
using Portable.Checkpoints.Safetensors;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Checkpoints.Format;

/// <summary>
/// The file of one quantized block: norms, and of each linear its codes, scales, zero points, bias and column map, with the
/// <see cref="LinearRecord"/>s in the metadata. Self-contained, so that an interrupted run finds finished blocks again.
/// </summary>
internal static class BlockShard
{
    /// <summary>Key of the metadata that is ours.</summary>
    private const string MetadataKey = "portable";

    /// <summary>Writes a block.</summary>
    public static void Write(string path, ModelNames names, int index, BlockWeights block, IReadOnlyList<LayerReport> reports, ElementType normType)
    {
        Dictionary<string, LayerReport> byName = reports.ToDictionary(r => r.Name, StringComparer.Ordinal);
        JsonArray records = [];
        List<TensorSource> tensors = [.. block.Layout.Norms.SelectMany(n => FloatVectors.ToTensors(names.Norm(index, n).Name, block[n], normType))];
        foreach (LinearWeights linear in block.Linears)
        {
            LinearRecord record = LinearRecord.Of(linear, byName.TryGetValue(linear.Name, out LayerReport? report) ? report : throw new ArgumentException($"{linear.Name} has no report."));
            records.Add((JsonNode)record.ToJson());
            tensors.AddRange(Tensors(linear.Name, linear.Quantized!, record.Store));
        }

        JsonObject metadata = new() { ["version"] = PortableFormat.Version, ["block"] = index, ["linears"] = records };
        SafetensorsWriter.Write(path, tensors, new Dictionary<string, string> { [MetadataKey] = metadata.ToJsonString() });
    }

    /// <summary>Reads a block with its reports.</summary>
    public static (BlockWeights Block, IReadOnlyList<LayerReport> Reports) Read(string path, ModelNames names, int index)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Dictionary<string, LinearRecord> records = Records(file, names, index);
        LinearWeights Linear(LinearName name) => new()
        {
            Name = name.Name,
            Quantized = QuantizedTensors.Read(file, name, records[name.Name]),
            Scheme = records[name.Name].Report.Scheme,
        };

        BlockWeights block = BlockWeights.Create(names.Config.Blocks[index], norm => NormTensors.Read(file, names.Norm(index, norm)), slot => Linear(names.Linear(index, slot)));
        return (block, [.. names.Linears(index).Select(l => records[l.Name].Report)]);
    }

    /// <summary>Checks names, types, shapes and metadata, without reading values.</summary>
    /// <returns>The reports of the block's linears.</returns>
    public static IReadOnlyList<LayerReport> Check(string path, ModelNames names, int index)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Dictionary<string, LinearRecord> records = Records(file, names, index);
        return [.. names.Linears(index).Select(l => records[l.Name].Report)];
    }

    private static IEnumerable<TensorSource> Tensors(string name, QuantizedLinear linear, CodeStore store)
    {
        int n = linear.OutputFeatures, groups = linear.Weights.Layout.Groups;
        yield return store.ToTensor(name + QuantizedTensors.Codes, linear.Weights);
        yield return TensorSource.Of(name + QuantizedTensors.Scales, TensorType.F32, linear.Scales, n, groups);
        if (linear.ZeroPoints is { } zeroPoints)
        {
            yield return TensorSource.Of(name + QuantizedTensors.ZeroPoints, TensorType.U8, zeroPoints, n, groups);
        }

        if (linear.Bias is { } bias)
        {
            yield return TensorSource.Of(name + QuantizedTensors.Bias, TensorType.F32, bias, n);
        }

        if (linear.Input.Map is { } map)
        {
            yield return TensorSource.Of(name + QuantizedTensors.MapSource, TensorType.I32, map.Source, map.Source.Length);
            yield return TensorSource.Of(name + QuantizedTensors.MapOffset, TensorType.I32, map.Offset, map.Offset.Length);
            yield return TensorSource.Of(name + QuantizedTensors.MapLimit, TensorType.I32, map.Limit, map.Limit.Length);
        }
    }

    private static Dictionary<string, LinearRecord> Records(SafetensorsFile file, ModelNames names, int index)
    {
        if (!file.Metadata.TryGetValue(MetadataKey, out string? text))
        {
            throw new CheckpointException(file.Path, $"the metadata has no entry '{MetadataKey}'", offset: 8);
        }

        using JsonDocument document = JsonFile.Parse(file.Path, Encoding.UTF8.GetBytes(text), 8);
        JsonFields fields = new(file.Path, document.RootElement, MetadataKey + ".");
        PortableFormat.CheckVersion(fields);
        if (fields.Integer("block", 0, int.MaxValue) != index)
        {
            throw fields.Error("block", $"the file holds block {fields.Integer("block", 0, int.MaxValue)} where {index} belongs");
        }

        LinearName[] linears = [.. names.Linears(index)];
        List<JsonElement> entries = fields.Array("linears");
        if (entries.Count != linears.Length)
        {
            throw fields.Error("linears", $"{entries.Count} linears where the block has {linears.Length}");
        }

        TensorReader reader = new(file);
        Dictionary<string, LinearRecord> records = new(StringComparer.Ordinal);
        for (int i = 0; i < linears.Length; i++)
        {
            LinearRecord record = LinearRecord.Parse(new JsonFields(file.Path, entries[i], FormattableString.Invariant($"{MetadataKey}.linears[{i}].")), linears[i]);
            QuantizedTensors.Require(reader, linears[i], record);
            records.Add(linears[i].Name, record);
        }

        foreach (NormName norm in names.Norms(index))
        {
            NormTensors.Require(reader, norm);
        }

        reader.RefuseOthers();
        return records;
    }
}
