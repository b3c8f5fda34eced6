using System.Buffers;
using System.IO.MemoryMappedFiles;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Portable.Checkpoints.Files;

/// <summary>
/// A file mapped for reading. Memory handed out by <see cref="Slice"/> keeps the mapping alive: it ends when the file is
/// disposed and no slice is reachable, so weights can be used in place, without a copy, for as long as a model lives.
/// </summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly string _path;
    private readonly SafeFileHandle _handle;
    private Mapping? _mapping;

    public MappedFile(string path)
    {
        _path = path;
        try
        {
            _handle = File.OpenHandle(path);
            Length = RandomAccess.GetLength(_handle);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(path, "no such file", inner: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read: {e.Message}", inner: e);
        }

        if (LargeFilePointer.MayBe(Length))
        {
            byte[] content = new byte[Length];
            try
            {
                Read(0, content);
                LargeFilePointer.Refuse(path, content);
            }
            catch
            {
                _handle.Dispose();
                throw;
            }
        }
    }

    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; }

    /// <summary>Part of the file, in place.</summary>
    public ReadOnlyMemory<byte> Slice(long offset, int length) => Slice<byte>(offset, length);

    /// <summary>Part of the file, in place, as little-endian elements.</summary>
    /// <param name="offset">In bytes, a multiple of an element's.</param>
    /// <param name="length">Elements.</param>
    public ReadOnlyMemory<T> Slice<T>(long offset, int length)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - (long)length * sizeof(T));
        if (length == 0)
        {
            return default; // An empty file cannot be mapped.
        }

        // Two threads that get here at once map twice; both mappings are right, and the unused one goes.
        _mapping ??= Try(() => new Mapping(_handle));
        return new Window<T>(_mapping, offset, length).Memory;
    }

    /// <summary>Touches what <see cref="Slice"/> gave out once in each stretch that Linux maps at a fault: half of what MADV_POPULATE_READ takes, which looks at every page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Touch<T>(ReadOnlyMemory<T> slice)
        where T : unmanaged
    {
        const int Stretch = 64 << 10; // fault_around_bytes, as it is unless somebody changes it
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(slice.Span);
        for (int at = 0; at < bytes.Length; at += Stretch)
        {
            _ = Volatile.Read(ref MemoryMarshal.GetReference(bytes[at..]));
        }
    }

    /// <summary>Copies part of the file, without mapping it.</summary>
    public void Read(long offset, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            int count;
            try
            {
                count = RandomAccess.Read(_handle, destination, offset);
            }
            catch (IOException e)
            {
                throw new CheckpointException(_path, $"cannot be read: {e.Message}", offset: offset, inner: e);
            }

            if (count == 0)
            {
                throw new CheckpointException(_path, "the file ends here; it was longer when it was opened", offset: offset);
            }

            destination = destination[count..];
            offset += count;
        }
    }

    /// <summary>Closes the file and gives up its hold of the mapping.</summary>
    public void Dispose()
    {
        _mapping = null;
        _handle.Dispose();
    }

    private T Try<T>(Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(_path, $"cannot be mapped: {e.Message}", inner: e);
        }
    }

    /// <summary>Unmaps in the view handle's finalizer, when neither file nor slices are reachable.</summary>
    private sealed class Mapping
    {
        private readonly SafeMemoryMappedViewHandle _view;

        public Mapping(SafeFileHandle file)
        {
            using MemoryMappedFile mapped = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            MemoryMappedViewAccessor accessor = mapped.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
            _view = accessor.SafeMemoryMappedViewHandle;
            byte* pointer = null;
            // Balanced by the finalizer alone: the handle must outlive every slice.
            _view.AcquirePointer(ref pointer);
            Pointer = pointer + accessor.PointerOffset;
        }

        ~Mapping() => _view.ReleasePointer();

        public byte* Pointer { get; }
    }

    private sealed class Window<T>(Mapping mapping, long offset, int length) : MemoryManager<T>
        where T : unmanaged
    {
        public override Span<T> GetSpan() => new(mapping.Pointer + offset, length);

        public override MemoryHandle Pin(int elementIndex = 0) => new(mapping.Pointer + offset + (long)elementIndex * sizeof(T), default, this);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
