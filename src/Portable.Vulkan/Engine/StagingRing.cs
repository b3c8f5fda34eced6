namespace Portable.Vulkan.Engine;

/// <summary>
/// Moves data between host and device through two mapped halves: while the device copies one, the host fills the other.
/// Uploads gather in a half and leave together, at the latest before the next submission.
/// </summary>
internal sealed unsafe class StagingRing(VulkanContext context) : IDisposable
{
    private const long HalfBytes = 8L << 20;
    private const long Alignment = 16;
    private readonly Lock _lock = new(), _creation = new();
    private readonly CommandList?[] _pending = new CommandList?[2];
    private readonly List<(GpuBuffer Target, long Offset, long From, long Bytes)> _copies = [];
    private GpuBuffer[]? _upload;
    private GpuBuffer? _readback;
    private volatile bool _waiting;
    private int _half;
    private long _filled;

    /// <summary>Copies host bytes to the device; the copy is ordered before every later submission.</summary>
    public void Upload(ReadOnlySpan<byte> data, GpuBuffer target, long offset)
    {
        CheckRange(target, offset, data.Length);
        if (target.Mapped is not null)
        {
            if (target.Block.Kind == MemoryKind.Device)
            {
                // Memory that host and device share: as a copy on the device would, this comes after what was submitted.
                context.WaitForSubmitted();
            }

            data.CopyTo(new Span<byte>(target.Mapped + offset, data.Length));
            return;
        }

        // Memory is never allocated inside of the lock: freeing a block of it takes the locks the other way round.
        GpuBuffer[] halves;
        lock (_creation)
        {
            halves = _upload ??= [context.Allocate(HalfBytes, MemoryKind.Upload), context.Allocate(HalfBytes, MemoryKind.Upload)];
        }

        lock (_lock)
        {
            long first = target.Offset + offset, end = first + data.Length;
            if (_copies.Exists(c => c.Target.Block == target.Block && c.Target.Offset + c.Offset < end && first < c.Target.Offset + c.Offset + c.Bytes))
            {
                // Copies of one submission have no order.
                Send();
            }

            while (data.Length > 0)
            {
                if (_filled == HalfBytes)
                {
                    Send();
                }

                if (_filled == 0)
                {
                    _pending[_half]?.Dispose();
                    _pending[_half] = null;
                }

                int part = (int)Math.Min(data.Length, HalfBytes - _filled);
                data[..part].CopyTo(new Span<byte>(halves[_half].Mapped + _filled, part));
                _copies.Add((target, offset, _filled, part));
                _waiting = true;
                _filled = Math.Min((_filled + part + Alignment - 1) / Alignment * Alignment, HalfBytes);
                data = data[part..];
                offset += part;
            }
        }
    }

    /// <summary>Submits the copies that have gathered.</summary>
    public void Flush()
    {
        if (_waiting)
        {
            lock (_lock)
            {
                Send();
            }
        }
    }

    /// <summary>Copies device bytes to the host after everything submitted so far.</summary>
    public void Download(GpuBuffer source, Span<byte> data, long offset)
    {
        CheckRange(source, offset, data.Length);
        if (source.Mapped is not null && source.Block.Kind != MemoryKind.Device)
        {
            new Span<byte>(source.Mapped + offset, data.Length).CopyTo(data);
            return;
        }

        GpuBuffer staging;
        lock (_creation)
        {
            staging = _readback ??= context.Allocate(HalfBytes, MemoryKind.Readback);
        }

        lock (_lock)
        {
            while (data.Length > 0)
            {
                int part = (int)Math.Min(data.Length, HalfBytes);
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
        foreach (CommandList? list in _pending)
        {
            list?.Dispose();
        }

        foreach (GpuBuffer half in _upload ?? [])
        {
            half.Dispose();
        }

        _readback?.Dispose();
    }

    // Under the lock.
    private void Send()
    {
        if (_copies.Count == 0)
        {
            return;
        }

        CommandRecorder recorder = context.Record();
        foreach ((GpuBuffer target, long offset, long from, long bytes) in _copies)
        {
            recorder.Copy(_upload![_half], from, target, offset, bytes);
        }

        _copies.Clear();
        _filled = 0;
        CommandList list = recorder.End();
        _pending[_half] = list;
        _half ^= 1;
        try
        {
            context.SubmitNow(list);
        }
        finally
        {
            // Only now: who finds nothing waiting submits at once, and must find the copies ahead of its own work.
            _waiting = false;
        }
    }

    private static void CheckRange(GpuBuffer buffer, long offset, long bytes)
    {
        if (offset < 0 || bytes > buffer.Size - offset)
        {
            throw new ArgumentOutOfRangeException(nameof(offset), $"{bytes} bytes at {offset} do not fit a buffer of {buffer.Size}.");
        }
    }
}
