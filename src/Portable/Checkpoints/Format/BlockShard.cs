using System.Text.Json.Nodes;
using Portable.Checkpoints.Files;
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
    /// <summary>Writes a block.</summary>
    public static void Write(string path, int version, ModelNames names, int index, BlockWeights block, IReadOnlyList<LayerReport> reports, ElementType normType, Action<string>? complete = null)
    {
        Dictionary<string, LayerReport> byName = reports.ToDictionary(r => r.Name, StringComparer.Ordinal);
        List<LinearRecord> records = [];
        List<TensorSource> tensors = [.. block.Layout.Norms.SelectMany(n => FloatVectors.ToTensors(names.Norm(index, n).Name, block[n], normType))];
        foreach (LinearWeights linear in block.Linears)
        {
            LinearRecord record = LinearRecord.Of(version, linear, byName.TryGetValue(linear.Name, out LayerReport? report) ? report : throw new ArgumentException($"{linear.Name} has no report."));
            records.Add(record);
            tensors.AddRange(QuantizedTensors.ToTensors(linear.Name, linear.Quantized!, record));
        }

        SafetensorsWriter.Write(path, tensors, ShardMetadata.Of(version, new JsonObject { ["block"] = index }, "linears", records), complete);
    }

    /// <summary>Reads a block with its reports.</summary>
    public static (BlockWeights Block, IReadOnlyList<LayerReport> Reports) Read(string path, int version, ModelNames names, int index, LargeMemory memory)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Dictionary<string, LinearRecord> records = Records(file, version, names, index);
        LinearWeights Linear(LinearName name) => new()
        {
            Name = name.Name,
            Quantized = QuantizedTensors.Read(file, name, records[name.Name], memory),
            Scheme = records[name.Name].Report.Scheme,
        };

        BlockWeights block = BlockWeights.Create(names.Config.Blocks[index], norm => NormTensors.Read(file, names.Norm(index, norm)), slot => Linear(names.Linear(index, slot)));
        return (block, [.. names.Linears(index).Select(l => records[l.Name].Report)]);
    }

    /// <summary>Checks names, types, shapes and metadata, without reading values.</summary>
    /// <returns>The reports of the block's linears.</returns>
    public static IReadOnlyList<LayerReport> Check(string path, int version, ModelNames names, int index)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        Dictionary<string, LinearRecord> records = Records(file, version, names, index);
        return [.. names.Linears(index).Select(l => records[l.Name].Report)];
    }

    private static Dictionary<string, LinearRecord> Records(SafetensorsFile file, int version, ModelNames names, int index)
    {
        TensorReader reader = new(file);
        Dictionary<string, LinearRecord> records = ShardMetadata.Read(reader, version, "linears", [.. names.Linears(index)], fields =>
        {
            if (fields.Integer("block", 0, int.MaxValue) != index)
            {
                throw fields.Error("block", $"the file holds block {fields.Integer("block", 0, int.MaxValue)} where {index} belongs");
            }
        });
        foreach (NormName norm in names.Norms(index))
        {
            NormTensors.Require(reader, norm);
        }

        reader.RefuseOthers();
        return records;
    }
}
