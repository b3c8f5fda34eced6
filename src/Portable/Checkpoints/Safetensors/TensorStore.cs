using System.Collections.Concurrent;
using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Models;
using Portable.Reference.Arithmetic;

namespace Portable.Checkpoints.Safetensors;

/// <summary>
/// The tensors of a float checkpoint by name, over one file (model.safetensors) or shards (model.safetensors.index.json),
/// as float tables and vectors whose values are known to be finite.
/// </summary>
internal sealed class TensorStore : IDisposable
{
    private const string SingleName = "model.safetensors", IndexName = "model.safetensors.index.json";

    private readonly Dictionary<string, (SafetensorsFile File, TensorInfo Tensor)> _tensors = new(StringComparer.Ordinal);
    private readonly List<SafetensorsFile> _files = [];

    // A tensor is scanned for NaN and infinity when first read, not on each of the passes of a calibration.
    private readonly ConcurrentDictionary<string, bool> _scanned = new(StringComparer.Ordinal);

    public TensorStore(string directory)
    {
        string single = System.IO.Path.Combine(directory, SingleName), index = System.IO.Path.Combine(directory, IndexName);
        try
        {
            if (File.Exists(index) && !File.Exists(single))
            {
                Path = index;
                OpenShards(directory, index);
            }
            else
            {
                Path = single;
                SafetensorsFile file = SafetensorsFile.Open(single);
                _files.Add(file);
                foreach (TensorInfo tensor in file.Tensors)
                {
                    _tensors.Add(tensor.Name, (file, tensor));
                }
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file to name where a tensor is missing: the index, or the single file.</summary>
    public string Path { get; }

    public IEnumerable<(SafetensorsFile File, TensorInfo Tensor)> Tensors => _tensors.Values;

    public bool Has(string name) => _tensors.ContainsKey(name);

    /// <summary>Checks presence, element type and shape, without reading values.</summary>
    public void Require(string name, params ReadOnlySpan<long> shape)
    {
        if (!_tensors.TryGetValue(name, out (SafetensorsFile File, TensorInfo Tensor) found))
        {
            throw new CheckpointException(Path, "the tensor is missing", name);
        }

        TensorReader.RequireFloat(found.File, found.Tensor, shape);
    }

    /// <summary>A matrix in place.</summary>
    public FloatTable Table(string name)
    {
        (SafetensorsFile file, TensorInfo tensor) = _tensors[name];
        FloatTable table = TensorReader.UncheckedTable(file, tensor);
        Scan(tensor, () => TensorReader.RequireFinite(file, tensor, table));
        return table;
    }

    /// <summary>A vector as f32.</summary>
    public float[] Vector(string name)
    {
        (SafetensorsFile file, TensorInfo tensor) = _tensors[name];
        ReadOnlyMemory<byte> data = file.Map(tensor);
        ElementType type = TensorReader.ElementTypeOf(tensor.Type);
        Scan(tensor, () => TensorReader.RequireFinite(file, tensor, data.Span, type));
        return TensorReader.Floats(data.Span, type);
    }

    public void Dispose()
    {
        foreach (SafetensorsFile file in _files)
        {
            file.Dispose();
        }
    }

    private void Scan(TensorInfo tensor, Action requireFinite)
    {
        if (_scanned.ContainsKey(tensor.Name))
        {
            return;
        }

        requireFinite();
        _scanned[tensor.Name] = true;
    }

    private void OpenShards(string directory, string index)
    {
        using JsonDocument document = JsonFile.Read(index);
        JsonFields map = new JsonFields(index, document.RootElement).Object("weight_map");
        Dictionary<string, SafetensorsFile> shards = new(StringComparer.Ordinal);
        foreach (JsonProperty entry in map.Element.EnumerateObject())
        {
            string shard = map.Text(entry.Name);
            // A shard lies beside its index: a path could reach anywhere.
            if (shard.Length == 0 || shard is "." or ".." || shard.AsSpan().ContainsAny('/', '\\', '\0'))
            {
                throw new CheckpointException(index, $"shard '{shard}' is not a plain file name", entry.Name);
            }

            if (!shards.TryGetValue(shard, out SafetensorsFile? file))
            {
                file = SafetensorsFile.Open(System.IO.Path.Combine(directory, shard));
                shards.Add(shard, file);
                _files.Add(file);
            }

            if (!file.TryFind(entry.Name, out TensorInfo? tensor))
            {
                throw new CheckpointException(file.Path, $"the tensor is missing; {IndexName} says that it is here", entry.Name);
            }

            _tensors.Add(entry.Name, (file, tensor));
        }
    }
}
