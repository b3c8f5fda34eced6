using System.Text.Json.Nodes;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Safetensors;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Quantization;

namespace Portable.Checkpoints.Format;

/// <summary>
/// The file of what is not in blocks: embedding, positions, final norm and head (where it is not the embedding). Embedding and head
/// are the float checkpoint's tensors, or under an H part the tensors of a linear each, with their <see cref="LinearRecord"/>s in the metadata.
/// </summary>
internal static class TableShard
{
    private const string List = "tables";

    /// <summary>Writes the tables.</summary>
    /// <param name="path">The file.</param>
    /// <param name="version">Version of the format.</param>
    /// <param name="names">The model.</param>
    /// <param name="tables">Embedding and head both of floats, or both of codes.</param>
    /// <param name="reports">A report for each table of codes.</param>
    /// <param name="complete">Given the finished file before it has its name; null for nothing.</param>
    public static void Write(string path, int version, ModelNames names, ModelTables tables, IReadOnlyList<LayerReport> reports, Action<string>? complete = null)
    {
        List<TensorSource> tensors = [.. FloatVectors.ToTensors(names.FinalNorm.Name, tables.FinalNorm, tables.Type)];
        List<LinearRecord> records = [];
        foreach ((LinearName name, TableWeights table) in Named(names, tables))
        {
            if (table.Quantized is not { } codes)
            {
                tensors.Add(FloatVectors.ToTensor(name.Name + ".weight", table.Float!));
                continue;
            }

            LinearRecord record = LinearRecord.Of(version, new LinearWeights { Name = name.Name, Quantized = codes }, reports.First(r => r.Name == name.Name));
            records.Add(record);
            tensors.AddRange(QuantizedTensors.ToTensors(name.Name, codes, record));
        }

        if (tables.Positions is { } positions)
        {
            tensors.Add(FloatVectors.ToTensor(names.Positions, positions));
        }

        SafetensorsWriter.Write(path, tensors, records.Count == 0 ? [] : ShardMetadata.Of(version, [], List, records), complete);
    }

    /// <summary>Checks names, types, shapes and metadata, without reading values.</summary>
    /// <param name="file">The file.</param>
    /// <param name="version">The checkpoint's version of the format.</param>
    /// <param name="names">The model.</param>
    /// <param name="scheme">The model's scheme: its H part says what the tables are.</param>
    /// <returns>The records of tables of codes; none where they are floats.</returns>
    public static IReadOnlyDictionary<string, LinearRecord> Check(SafetensorsFile file, int version, ModelNames names, QuantizationScheme scheme)
    {
        TensorReader reader = new(file);
        Dictionary<string, LinearRecord> records = scheme.Table is null ? [] : ShardMetadata.Read(reader, version, List, names.QuantizedTables);
        foreach (LinearName name in names.QuantizedTables)
        {
            if (scheme.Table is null)
            {
                reader.RequireFloat(name.Name + ".weight", name.OutputFeatures, name.InputFeatures);
            }
            else if (!IsTable(records[name.Name], scheme.Table))
            {
                throw new CheckpointException(file.Path, $"its record in the metadata is not that of a table under H{scheme.HeadBits}: unsigned codes of {scheme.HeadBits} bits, one group, 8-bit activations symmetric per token", name.Name + QuantizedTensors.Codes, file.Find(name.Name + QuantizedTensors.Codes).Offset);
            }
        }

        NormTensors.Require(reader, names.FinalNorm);
        if (names.Config.LearnedPositionOffset is { } offset)
        {
            reader.RequireFloat(names.Positions, names.Config.MaximumPositions + offset, names.Config.HiddenSize);
        }

        reader.RefuseOthers();
        return records;
    }

    /// <summary>Reads a table.</summary>
    public static TableWeights Read(SafetensorsFile file, LinearName name, LinearRecord? record, LargeMemory memory) => record is null
        ? new TableWeights(TensorReader.Table(file, file.Find(name.Name + ".weight")))
        : new TableWeights(QuantizedTensors.Read(file, name, record, memory));

    private static IEnumerable<(LinearName Name, TableWeights Table)> Named(ModelNames names, ModelTables tables)
    {
        yield return (names.EmbeddingTable, tables.Embedding);
        if (tables.Head is { } head)
        {
            yield return (names.HeadTable, head);
        }
    }

    private static bool IsTable(LinearRecord record, QuantizationScheme table) =>
        record.Report.Scheme == table.ToString() && record.Store == CodeStore.Planes && record.Format == table.WeightFormat && record.Layout.Groups == 1 && record.Input == RoundToNearest.PerToken(table);
}
