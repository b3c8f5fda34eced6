using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Portable.Execution;

namespace Portable.Calibration;

/// <summary>
/// Where hidden states of calibration windows are kept: in memory up to a budget, beyond it in one temporary file that
/// vanishes with the storage, and with the process however it ends. One file, because a slot per window and stream would meet the system's limit of open files.
/// </summary>
/// <param name="directory">Directory of the temporary file; created when first needed.</param>
/// <param name="memoryBudget">Bytes kept in memory, over all slots.</param>
/// <param name="device">Makes that memory, and keeps states itself while it has plenty; null = the managed heap.</param>
internal sealed class StreamStorage(string directory, long memoryBudget = StreamStorage.DefaultBudget, ICalibrationDevice? device = null) : IDisposable
{
    /// <summary>Bytes kept in memory where nothing else is said: 1 GiB.</summary>
    public const long DefaultBudget = 1L << 30;

    private readonly Dictionary<long, Stack<long>> _free = [];
    private SafeFileHandle? _file;
    private long _used, _length;

    /// <summary>A slot for a fixed number of values.</summary>
    public StreamSlot Allocate(int count)
    {
        if (device?.TryCreateDeviceRows(count) is { } resident)
        {
            return new StreamSlot(resident, () => { });
        }

        long bytes = (long)count * sizeof(float);
        if (_used + bytes <= memoryBudget)
        {
            _used += bytes;
            return new StreamSlot(device?.CreateRows(count) ?? new ManagedRows(new float[count]), () => _used -= bytes);
        }

        _file ??= Create();
        Stack<long> free = CollectionsMarshal.GetValueRefOrAddDefault(_free, bytes, out _) ??= new();
        if (!free.TryPop(out long offset))
        {
            offset = _length;
            _length += bytes;
            RandomAccess.SetLength(_file, _length);
        }

        return new StreamSlot(_file, offset, () => free.Push(offset));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_file is null)
        {
            return;
        }

        _file.Dispose();
        RemoveEmpty();
    }

    private void RemoveEmpty()
    {
        if (Directory.Exists(directory) && !Directory.EnumerateFileSystemEntries(directory).Any())
        {
            Directory.Delete(directory);
        }
    }

    private SafeFileHandle Create()
    {
        Directory.CreateDirectory(directory);
        string path = Path.Combine(directory, $"hidden-{Guid.NewGuid():N}");
        SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, FileOptions.DeleteOnClose);
        if (!OperatingSystem.IsWindows())
        {
            // Windows deletes it itself when a process is killed. Elsewhere an open file needs no name: without one nothing stays behind.
            File.Delete(path);
            RemoveEmpty();
        }

        return file;
    }
}
