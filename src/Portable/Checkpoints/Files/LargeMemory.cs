using System.Buffers;
using System.Runtime.InteropServices;

namespace Portable.Checkpoints.Files;

/// <summary>
/// Memory for weights that do not lie in a file as kernels read them: native, and on Linux of large pages where the system has
/// them. (Under some hypervisors the first touch of a small page costs as much as decoding all that it holds.) Pieces are cut from
/// chunks; a chunk ends when none of its pieces is reachable.
/// </summary>
internal sealed unsafe class LargeMemory
{
    private const nuint PageBytes = 2 << 20, Alignment = 64;

    // What is not touched takes no memory.
    private const nuint ChunkBytes = 64 << 20;

    private readonly Lock _lock = new();
    private Chunk? _chunk;

    /// <summary>Elements with undefined values, aligned to a cache line. Any thread may ask.</summary>
    /// <param name="length">Elements.</param>
    public MemoryManager<T> Allocate<T>(int length)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(length);
        nuint bytes = ((nuint)length * (nuint)sizeof(T) + Alignment - 1) / Alignment * Alignment;
        lock (_lock)
        {
            if (_chunk is null || _chunk.Left < bytes)
            {
                _chunk = new Chunk(nuint.Max(ChunkBytes, (bytes + PageBytes - 1) / PageBytes * PageBytes));
            }

            return new Piece<T>(_chunk, _chunk.Take(bytes), length);
        }
    }

    private sealed class Chunk
    {
        private readonly byte* _start;
        private readonly nuint _bytes;
        private nuint _taken;

        public Chunk(nuint bytes)
        {
            _start = (byte*)NativeMemory.AlignedAlloc(bytes, PageBytes);
            _bytes = bytes;
            GC.AddMemoryPressure((long)bytes);
            MemoryAdvice.UseLargePages(_start, bytes);
        }

        ~Chunk()
        {
            NativeMemory.AlignedFree(_start);
            GC.RemoveMemoryPressure((long)_bytes);
        }

        public nuint Left => _bytes - _taken;

        public byte* Take(nuint bytes)
        {
            byte* piece = _start + _taken;
            _taken += bytes;
            return piece;
        }
    }

    private sealed class Piece<T>(Chunk chunk, byte* start, int length) : MemoryManager<T>
        where T : unmanaged
    {
        // Keeps the chunk.
        private readonly Chunk _chunk = chunk;

        public override Span<T> GetSpan()
        {
            GC.KeepAlive(_chunk);
            return new(start, length);
        }

        public override MemoryHandle Pin(int elementIndex = 0) => new((T*)start + elementIndex, default, this);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
