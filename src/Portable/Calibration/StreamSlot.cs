using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Portable.Execution;

namespace Portable.Calibration;

/// <summary>The hidden states of one window, in memory or in a storage's file.</summary>
internal sealed class StreamSlot : IDisposable
{
    private readonly SafeFileHandle? _file;
    private readonly long _offset;
    private Action? _release;

    internal StreamSlot(StoredRows memory, Action release) => (Memory, _release) = (memory, release);

    internal StreamSlot(SafeFileHandle file, long offset, Action release) => (_file, _offset, _release) = (file, offset, release);

    /// <summary>The values, where they are in memory.</summary>
    public StoredRows? Memory { get; }

    /// <summary>Reads values.</summary>
    /// <param name="start">First value.</param>
    /// <param name="destination">Receives as many as it holds.</param>
    public void Read(int start, Span<float> destination)
    {
        if (Memory is { } memory)
        {
            memory.Read(start, destination);
            return;
        }

        Span<byte> bytes = MemoryMarshal.AsBytes(destination);
        for (long at = _offset + (long)start * sizeof(float); bytes.Length > 0;)
        {
            int read = RandomAccess.Read(_file!, bytes, at);
            if (read == 0)
            {
                throw new EndOfStreamException("A temporary file of calibration streams is shorter than what was written to it.");
            }

            at += read;
            bytes = bytes[read..];
        }
    }

    /// <summary>Writes values.</summary>
    /// <param name="start">First value.</param>
    /// <param name="source">The values.</param>
    public void Write(int start, ReadOnlySpan<float> source)
    {
        if (Memory is { } memory)
        {
            memory.Write(start, source);
        }
        else
        {
            RandomAccess.Write(_file!, MemoryMarshal.AsBytes(source), _offset + (long)start * sizeof(float));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Memory?.Dispose();
        _release?.Invoke();
        _release = null;
    }
}
