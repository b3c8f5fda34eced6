namespace Portable.Vulkan.Engine;

/// <summary>Where a buffer lives.</summary>
internal enum MemoryKind
{
    /// <summary>Device memory, not visible to the host.</summary>
    Device,

    /// <summary>Host memory that the device reads: written by the host in order.</summary>
    Upload,

    /// <summary>Host memory that the device writes and the host reads (cached where the device has such).</summary>
    Readback,
}

/// <summary>A range of device-visible memory, reached in shaders by its address. Disposing returns it to the pool.</summary>
internal sealed unsafe class GpuBuffer : IDisposable
{
    private readonly MemoryPool _pool;
    private bool _disposed;

    internal GpuBuffer(MemoryPool pool, MemoryBlock block, long offset, long size)
    {
        (_pool, Block, Offset, Size) = (pool, block, offset, size);
        Address = block.Address + (ulong)offset;
    }

    /// <summary>Device address of the first byte; a multiple of 256.</summary>
    public ulong Address { get; }

    /// <summary>Bytes.</summary>
    public long Size { get; }

    /// <summary>Host pointer of an <see cref="MemoryKind.Upload"/> or <see cref="MemoryKind.Readback"/> buffer, else null.</summary>
    public byte* Mapped => Block.Mapped is null ? null : Block.Mapped + Offset;

    /// <summary>The block it is cut from.</summary>
    internal MemoryBlock Block { get; }

    /// <summary>Byte offset in the block.</summary>
    internal long Offset { get; }

    /// <summary>The mapped memory as elements.</summary>
    /// <exception cref="InvalidOperationException">The buffer is not mapped.</exception>
    public Span<T> AsSpan<T>()
        where T : unmanaged => Mapped is null
        ? throw new InvalidOperationException("A device buffer is not mapped; use Upload and Download of the context.")
        : new Span<T>(Mapped, checked((int)(Size / sizeof(T))));

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            _pool.Free(this);
        }
    }
}
