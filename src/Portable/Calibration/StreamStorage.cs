using System.Runtime.InteropServices;

namespace Portable.Calibration;

/// <summary>
/// Where hidden states of calibration windows are kept: in memory up to a budget, beyond it in temporary files that vanish
/// with the storage.
/// </summary>
/// <param name="directory">Directory of temporary files; created when first needed.</param>
/// <param name="memoryBudget">Bytes kept in memory, over all slots.</param>
public sealed class StreamStorage(string directory, long memoryBudget = 1L << 30) : IDisposable
{
    private long _used;
    private int _files;

    /// <summary>A slot for a fixed number of values.</summary>
    public StreamSlot Allocate(int count)
    {
        long bytes = (long)count * sizeof(float);
        if (_used + bytes <= memoryBudget)
        {
            _used += bytes;
            return new StreamSlot(new float[count], null, () => _used -= bytes);
        }

        Directory.CreateDirectory(directory);
        string path = Path.Combine(directory, $"hidden-{Environment.ProcessId}-{_files++}");
        return new StreamSlot(null, File.Open(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.ReadWrite,
            Options = FileOptions.DeleteOnClose,
            BufferSize = 0,
        }), () => { });
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_files > 0 && Directory.Exists(directory) && !Directory.EnumerateFileSystemEntries(directory).Any())
        {
            Directory.Delete(directory);
        }
    }
}

/// <summary>The hidden states of one window, in memory or in a file.</summary>
public sealed class StreamSlot : IDisposable
{
    private readonly float[]? _memory;
    private readonly FileStream? _file;
    private readonly Action _release;

    internal StreamSlot(float[]? memory, FileStream? file, Action release) => (_memory, _file, _release) = (memory, file, release);

    /// <summary>Whether the values are in a file.</summary>
    public bool Spilled => _file is not null;

    /// <summary>Reads values.</summary>
    /// <param name="start">First value.</param>
    /// <param name="destination">Receives as many as it holds.</param>
    public void Read(int start, Span<float> destination)
    {
        if (_memory is { } memory)
        {
            memory.AsSpan(start, destination.Length).CopyTo(destination);
        }
        else
        {
            _file!.Position = (long)start * sizeof(float);
            _file.ReadExactly(MemoryMarshal.AsBytes(destination));
        }
    }

    /// <summary>Writes values.</summary>
    /// <param name="start">First value.</param>
    /// <param name="source">The values.</param>
    public void Write(int start, ReadOnlySpan<float> source)
    {
        if (_memory is { } memory)
        {
            source.CopyTo(memory.AsSpan(start));
        }
        else
        {
            _file!.Position = (long)start * sizeof(float);
            _file.Write(MemoryMarshal.AsBytes(source));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file?.Dispose();
        _release();
    }
}
