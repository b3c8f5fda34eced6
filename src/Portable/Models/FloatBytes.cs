using System.Buffers;
using System.Runtime.InteropServices;

namespace Portable.Models;

/// <summary>f32 values as the bytes of a table, without a copy.</summary>
/// <param name="values">The values.</param>
internal sealed class FloatBytes(float[] values) : MemoryManager<byte>
{
    /// <inheritdoc/>
    public override Span<byte> GetSpan() => MemoryMarshal.AsBytes(values.AsSpan());

    /// <inheritdoc/>
    public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Unpin()
    {
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
    }
}
