namespace Portable.Vulkan.Engine;

/// <summary>
/// Moves data between host and device through two mapped halves: while the device copies one, the host fills the other.
/// </summary>
internal sealed unsafe class StagingRing(VulkanContext context) : IDisposable
{
    private const long HalfBytes = 8L << 20;
    private readonly Lock _lock = new();
    private readonly GpuBuffer?[] _upload = new GpuBuffer?[2];
    private readonly CommandList?[] _pending = new CommandList?[2];
    private GpuBuffer? _readback;

    /// <summary>Copies host bytes to the device; the copy is ordered before every later submission.</summary>
    public void Upload(ReadOnlySpan<byte> data, GpuBuffer target, long offset)
    {
        CheckRange(target, offset, data.Length);
        if (target.Mapped is not null)
        {
            data.CopyTo(new Span<byte>(target.Mapped + offset, data.Length));
            return;
        }

        lock (_lock)
        {
            for (int half = 0; data.Length > 0; half ^= 1)
            {
                int part = (int)Math.Min(data.Length, HalfBytes);
                GpuBuffer staging = _upload[half] ??= context.Allocate(HalfBytes, MemoryKind.Upload);
                _pending[half]?.Dispose();
                data[..part].CopyTo(new Span<byte>(staging.Mapped, part));
                context.Submit(_pending[half] = context.Record().Copy(staging, 0, target, offset, part).End());
                data = data[part..];
                offset += part;
            }
        }
    }

    /// <summary>Copies device bytes to the host after everything submitted so far.</summary>
    public void Download(GpuBuffer source, Span<byte> data, long offset)
    {
        CheckRange(source, offset, data.Length);
        if (source.Mapped is not null)
        {
            new Span<byte>(source.Mapped + offset, data.Length).CopyTo(data);
            return;
        }

        lock (_lock)
        {
            _readback ??= context.Allocate(HalfBytes, MemoryKind.Readback);
            while (data.Length > 0)
            {
                int part = (int)Math.Min(data.Length, HalfBytes);
                GpuBuffer staging = _readback;
                long from = offset;
                context.Run(r => r.Copy(source, from, staging, 0, part));
                new Span<byte>(staging.Mapped, part).CopyTo(data);
                data = data[part..];
                offset += part;
            }
        }
    }

    public void Dispose()
    {
        for (int half = 0; half < 2; half++)
        {
            _pending[half]?.Dispose();
            _upload[half]?.Dispose();
        }

        _readback?.Dispose();
    }

    private static void CheckRange(GpuBuffer buffer, long offset, long bytes)
    {
        if (offset < 0 || bytes > buffer.Size - offset)
        {
            throw new ArgumentOutOfRangeException(nameof(offset), $"{bytes} bytes at {offset} do not fit a buffer of {buffer.Size}.");
        }
    }
}
