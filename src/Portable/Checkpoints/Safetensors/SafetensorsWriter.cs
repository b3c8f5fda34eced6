using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Portable.Checkpoints.Files;

namespace Portable.Checkpoints.Safetensors;

/// <summary>A tensor to be written: its header entry, and its bytes when they are wanted.</summary>
/// <param name="Name">Name, unique in the file.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Dimensions.</param>
/// <param name="Write">Writes exactly the tensor's bytes, little-endian.</param>
internal sealed record TensorSource(string Name, TensorType Type, long[] Shape, Action<Stream> Write)
{
    /// <summary>Bytes of the tensor.</summary>
    public long Length => Shape.Aggregate((long)TensorTypes.SizeOf(Type), (a, b) => checked(a * b));

    /// <summary>A tensor that lies in memory.</summary>
    public static TensorSource Of<T>(string name, TensorType type, T[] values, params long[] shape)
        where T : unmanaged => new(name, type, shape, stream => stream.Write(MemoryMarshal.AsBytes<T>(values)));
}

/// <summary>Writes safetensors files. The same tensors and metadata give the same bytes, in whatever order they are given.</summary>
internal static class SafetensorsWriter
{
    /// <summary>
    /// Writes a file: tensors with larger elements first, then by name, so that every tensor is aligned to its elements.
    /// It appears under its name only when it is complete.
    /// </summary>
    /// <param name="path">The file; replaced if it exists.</param>
    /// <param name="tensors">Its tensors.</param>
    /// <param name="metadata">Its <c>__metadata__</c>.</param>
    /// <param name="complete">Given the finished file before it has its name; null for nothing.</param>
    /// <exception cref="CheckpointException">The file cannot be written.</exception>
    public static void Write(string path, IEnumerable<TensorSource> tensors, IReadOnlyDictionary<string, string> metadata, Action<string>? complete = null)
    {
        TensorSource[] ordered = [.. tensors.OrderByDescending(t => TensorTypes.SizeOf(t.Type)).ThenBy(t => t.Name, StringComparer.Ordinal)];
        byte[] header = Header(ordered, metadata);
        AtomicFile.Write(path, stream =>
        {
            Span<byte> length = stackalloc byte[8];
            BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
            stream.Write(length);
            stream.Write(header);
            foreach (TensorSource tensor in ordered)
            {
                long start = stream.Position;
                tensor.Write(stream);
                if (stream.Position - start != tensor.Length)
                {
                    throw new InvalidOperationException($"{tensor.Name}: {stream.Position - start} bytes were written, not {tensor.Length}.");
                }
            }
        }, complete);
    }

    private static byte[] Header(TensorSource[] tensors, IReadOnlyDictionary<string, string> metadata)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata.OrderBy(e => e.Key, StringComparer.Ordinal))
                {
                    json.WriteString(key, value);
                }

                json.WriteEndObject();
            }

            long offset = 0;
            foreach (TensorSource tensor in tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", TensorTypes.NameOf(tensor.Type));
                json.WriteStartArray("shape");
                foreach (long dimension in tensor.Shape)
                {
                    json.WriteNumberValue(dimension);
                }

                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += tensor.Length);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        // Spaces up to a multiple of 8, which the format allows, so that data begins aligned.
        byte[] header = new byte[(buffer.WrittenCount + 7) / 8 * 8];
        header.AsSpan().Fill((byte)' ');
        buffer.WrittenSpan.CopyTo(header);
        return header;
    }
}
