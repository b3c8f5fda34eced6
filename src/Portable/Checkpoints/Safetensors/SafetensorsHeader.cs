using System.Buffers.Binary;
using System.Text.Json;
using Portable.Checkpoints.Files;

namespace Portable.Checkpoints.Safetensors;

/// <summary>
/// The header of a safetensors file: 8 bytes little-endian length, that many bytes of JSON (an object from tensor name to
/// dtype, shape and data_offsets, plus <c>__metadata__</c>), then the data, which the tensors cover without gap or overlap.
/// </summary>
/// <remarks>Source: the safetensors format description, github.com/huggingface/safetensors. Every rule of it is enforced.</remarks>
internal static class SafetensorsHeader
{
    /// <summary>The longest header that the format allows.</summary>
    private const long LongestHeader = 100_000_000;

    private const string MetadataKey = "__metadata__";

    /// <summary>Reads and checks a header.</summary>
    /// <param name="path">For messages.</param>
    /// <param name="file">The file.</param>
    /// <returns>Tensors in the order of their data, and the metadata.</returns>
    public static (List<TensorInfo> Tensors, Dictionary<string, string> Metadata) Read(string path, MappedFile file)
    {
        long fileLength = file.Length;
        if (fileLength < 8)
        {
            throw new CheckpointException(path, $"the file has {fileLength} bytes; a safetensors file has at least 8", offset: 0);
        }

        byte[] prefix = new byte[8];
        file.Read(0, prefix);
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > LongestHeader)
        {
            throw new CheckpointException(path, $"the header length is {length}; at most {LongestHeader} is allowed", offset: 0);
        }

        if ((long)length > fileLength - 8)
        {
            throw new CheckpointException(path, $"the header length is {length}, but only {fileLength - 8} bytes follow", offset: 0);
        }

        byte[] header = new byte[length];
        file.Read(8, header);
        if (header.Length == 0 || header[0] != (byte)'{')
        {
            throw new CheckpointException(path, "the header does not begin with '{'", offset: 8);
        }

        using JsonDocument document = JsonFile.Parse(path, header, 8);
        long dataStart = 8 + (long)length, dataLength = fileLength - dataStart;
        List<TensorInfo> tensors = [];
        Dictionary<string, string> metadata = [];
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
        {
            if (property.Name == MetadataKey)
            {
                metadata = ReadMetadata(path, property.Value);
            }
            else
            {
                tensors.Add(ReadTensor(path, property.Name, property.Value, dataStart, dataLength));
            }
        }

        tensors.Sort((a, b) => a.Offset != b.Offset ? a.Offset.CompareTo(b.Offset) : a.Length != b.Length ? a.Length.CompareTo(b.Length) : string.CompareOrdinal(a.Name, b.Name));
        CheckCoverage(path, tensors, dataStart, fileLength);
        return (tensors, metadata);
    }

    private static Dictionary<string, string> ReadMetadata(string path, JsonElement value)
    {
        Dictionary<string, string> metadata = new(StringComparer.Ordinal);
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw new CheckpointException(path, $"{MetadataKey} is not an object", offset: 8);
        }

        foreach (JsonProperty entry in value.EnumerateObject())
        {
            metadata[entry.Name] = entry.Value.ValueKind == JsonValueKind.String
                ? entry.Value.GetString()!
                : throw new CheckpointException(path, $"{MetadataKey} entry '{entry.Name}' is not a string", offset: 8);
        }

        return metadata;
    }

    private static TensorInfo ReadTensor(string path, string name, JsonElement value, long dataStart, long dataLength)
    {
        CheckpointException Error(string problem) => new(path, problem, name);
        if (value.ValueKind != JsonValueKind.Object)
        {
            throw Error("its header entry is not an object");
        }

        foreach (JsonProperty field in value.EnumerateObject())
        {
            if (field.Name is not ("dtype" or "shape" or "data_offsets"))
            {
                throw Error($"unknown field '{field.Name}' in its header entry");
            }
        }

        if (!value.TryGetProperty("dtype", out JsonElement dtype) || dtype.ValueKind != JsonValueKind.String)
        {
            throw Error("dtype is missing or not a string");
        }

        if (!TensorTypes.TryParse(dtype.GetString()!, out TensorType type))
        {
            throw Error($"unknown dtype '{dtype.GetString()}'");
        }

        long[] shape = ReadIntegers(value, "shape", Error), offsets = ReadIntegers(value, "data_offsets", Error);
        if (offsets.Length != 2)
        {
            throw Error($"data_offsets has {offsets.Length} numbers, not 2");
        }

        long bytes = TensorTypes.SizeOf(type);
        foreach (long dimension in shape)
        {
            // A zero anywhere makes the product zero, but the other dimensions must still be sane on the way there.
            if (dimension != 0 && bytes > long.MaxValue / dimension)
            {
                throw Error($"the shape [{string.Join(", ", shape)}] overflows");
            }

            bytes *= dimension;
        }

        (long begin, long end) = (offsets[0], offsets[1]);
        if (begin > end)
        {
            throw Error($"data_offsets [{begin}, {end}] run backwards");
        }

        if (end > dataLength)
        {
            throw new CheckpointException(path, $"data_offsets [{begin}, {end}] run past the {dataLength} bytes of data (truncated file?)", name, dataStart + begin <= dataStart + dataLength ? dataStart + begin : null);
        }

        if (end - begin != bytes)
        {
            throw new CheckpointException(path, $"data_offsets span {end - begin} bytes, but shape [{string.Join(", ", shape)}] of {dtype.GetString()} needs {bytes}", name, dataStart + begin);
        }

        return new TensorInfo(name, type, shape, dataStart + begin, bytes);
    }

    private static long[] ReadIntegers(JsonElement value, string field, Func<string, CheckpointException> error)
    {
        if (!value.TryGetProperty(field, out JsonElement array) || array.ValueKind != JsonValueKind.Array)
        {
            throw error($"{field} is missing or not an array");
        }

        long[] numbers = new long[array.GetArrayLength()];
        int i = 0;
        foreach (JsonElement element in array.EnumerateArray())
        {
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt64(out long number) || number < 0)
            {
                throw error($"{field} holds {element.GetRawText()}, not an integer from 0 to 2^63 - 1");
            }

            numbers[i++] = number;
        }

        return numbers;
    }

    private static void CheckCoverage(string path, List<TensorInfo> tensors, long dataStart, long fileLength)
    {
        long covered = dataStart;
        foreach (TensorInfo tensor in tensors)
        {
            if (tensor.Offset < covered)
            {
                throw new CheckpointException(path, $"its data begins {covered - tensor.Offset} bytes before the end of the tensor in front of it (overlap)", tensor.Name, tensor.Offset);
            }

            if (tensor.Offset > covered)
            {
                throw new CheckpointException(path, $"{tensor.Offset - covered} bytes in front of its data belong to no tensor (gap)", tensor.Name, covered);
            }

            covered = tensor.Offset + tensor.Length;
        }

        if (covered != fileLength)
        {
            throw new CheckpointException(path, $"{fileLength - covered} bytes at the end belong to no tensor", offset: covered);
        }
    }
}
