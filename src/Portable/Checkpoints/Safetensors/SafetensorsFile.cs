using System.Diagnostics.CodeAnalysis;
using Portable.Checkpoints.Files;

namespace Portable.Checkpoints.Safetensors;

/// <summary>A safetensors file opened for reading: checked whole on opening, read in place (memory-mapped) or copied.</summary>
/// <remarks>
/// On opening: header length against the file and the format's 100 MB, valid UTF-8, valid JSON without duplicate keys, known
/// dtypes, non-negative shapes whose byte count does not overflow and equals the data_offsets, and data that the tensors
/// cover without gap or overlap. Values are not looked at here (<see cref="FiniteScan"/>).
/// </remarks>
internal sealed class SafetensorsFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly Dictionary<string, TensorInfo> _byName;

    private SafetensorsFile(string path, MappedFile file, List<TensorInfo> tensors, Dictionary<string, string> metadata)
    {
        (Path, _file, Tensors, Metadata) = (path, file, tensors, metadata);
        _byName = tensors.ToDictionary(t => t.Name, StringComparer.Ordinal);
    }

    /// <summary>Path of the file.</summary>
    public string Path { get; }

    /// <summary>Tensors in the order of their data.</summary>
    public IReadOnlyList<TensorInfo> Tensors { get; }

    /// <summary>The strings of <c>__metadata__</c>; empty where there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Bytes of the file.</summary>
    public long Length => _file.Length;

    /// <summary>Opens and checks a file.</summary>
    /// <exception cref="CheckpointException">The file is missing, damaged or breaks the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        MappedFile file = new(path);
        try
        {
            (List<TensorInfo> tensors, Dictionary<string, string> metadata) = SafetensorsHeader.Read(path, file);
            return new SafetensorsFile(path, file, tensors, metadata);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Finds a tensor.</summary>
    public bool TryFind(string name, [MaybeNullWhen(false)] out TensorInfo tensor) => _byName.TryGetValue(name, out tensor);

    /// <summary>Finds a tensor that must be there.</summary>
    /// <exception cref="CheckpointException">There is none of this name.</exception>
    public TensorInfo Find(string name) =>
        _byName.TryGetValue(name, out TensorInfo? tensor) ? tensor : throw new CheckpointException(Path, "the tensor is missing", name);

    /// <summary>The bytes of a tensor in place: little-endian, row-major. The memory stays valid after <see cref="Dispose"/>.</summary>
    /// <exception cref="CheckpointException">The tensor has 2 GiB or more, which one memory block cannot hold.</exception>
    public ReadOnlyMemory<byte> Map(TensorInfo tensor) => _file.Slice(tensor.Offset, CheckedLength(tensor));

    /// <summary>The rows of a matrix in place, in pieces of whole rows that each fit a memory block.</summary>
    /// <param name="tensor">A matrix of this file.</param>
    /// <returns>Rows of every piece but the last, and the pieces.</returns>
    public (int PieceRows, ReadOnlyMemory<byte>[] Pieces) MapRows(TensorInfo tensor)
    {
        const int LongestPiece = 1 << 30;
        int rows = (int)tensor.Shape[0];
        long rowBytes = rows == 0 ? 0 : tensor.Length / rows;
        int pieceRows = (int)Math.Min(rows, Math.Max(1, LongestPiece / Math.Max(1, rowBytes)));
        return tensor.Length <= int.MaxValue
            ? (rows, [_file.Slice(tensor.Offset, (int)tensor.Length)])
            : (pieceRows, [.. Enumerable.Range(0, (rows + pieceRows - 1) / pieceRows).Select(i => _file.Slice(
                tensor.Offset + (i * pieceRows * rowBytes), checked((int)(Math.Min(pieceRows, rows - (i * pieceRows)) * rowBytes))))]);
    }

    /// <summary>The bytes of a tensor in place as 64-bit words; null where it is not aligned to them, or has 16 GiB or more.</summary>
    public ReadOnlyMemory<ulong>? MapWords(TensorInfo tensor)
    {
        (long words, long rest) = Math.DivRem(tensor.Length, sizeof(ulong));
        if (rest != 0 || tensor.Offset % sizeof(ulong) != 0 || words > int.MaxValue)
        {
            return null;
        }

        return _file.Slice<ulong>(tensor.Offset, (int)words);
    }

    /// <summary>The bytes of a tensor in place as 16-bit words; null where it is not aligned to them, or memory has them the other way round.</summary>
    public ReadOnlyMemory<ushort>? MapHalves(TensorInfo tensor)
    {
        // (A conditional expression would make an empty memory of null.)
        if (tensor.Offset % sizeof(ushort) != 0 || !BitConverter.IsLittleEndian)
        {
            return null;
        }

        return _file.Slice<ushort>(tensor.Offset, CheckedLength(tensor) / sizeof(ushort));
    }

    /// <summary>The bytes of a tensor in place and some behind them; null where the file ends before those.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="slack">Bytes behind it.</param>
    public ReadOnlyMemory<byte>? MapPadded(TensorInfo tensor, int slack)
    {
        if (tensor.Offset + tensor.Length + slack > Length)
        {
            return null;
        }

        return _file.Slice(tensor.Offset, checked(CheckedLength(tensor) + slack));
    }

    /// <summary>Copies the bytes of a tensor.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="destination">Exactly the tensor's bytes.</param>
    public void Read(TensorInfo tensor, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(destination.Length, CheckedLength(tensor));
        _file.Read(tensor.Offset, destination);
    }

    /// <summary>Copies part of a tensor.</summary>
    /// <param name="tensor">A tensor of this file.</param>
    /// <param name="from">First byte within the tensor.</param>
    /// <param name="destination">As many bytes as wanted, within the tensor.</param>
    public void Read(TensorInfo tensor, long from, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(from);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(from, tensor.Length - destination.Length);
        _file.Read(tensor.Offset + from, destination);
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private int CheckedLength(TensorInfo tensor) => tensor.Length <= int.MaxValue
        ? (int)tensor.Length
        : throw new CheckpointException(Path, $"the tensor has {tensor.Length} bytes; at most {int.MaxValue} are supported", tensor.Name, tensor.Offset);
}
