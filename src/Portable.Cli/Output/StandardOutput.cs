using System.Runtime.InteropServices;

namespace Portable.Cli.Output;

/// <summary>
/// Standard output as a POSIX system has it. The console's own stream takes what it writes to a pipe without a reader for written, and
/// waits for a reader that does not read, whatever signals come.
/// </summary>
/// <param name="cancellation">Ends waiting for a reader that does not read.</param>
internal sealed class StandardOutput(CancellationToken cancellation) : Stream
{
    // How often the signal is looked at; and what a pipe takes at once if it takes anything (PIPE_BUF).
    private const int File = 1, Milliseconds = 100;

    private static readonly int Most = OperatingSystem.IsLinux() ? 4096 : 512;

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    /// <exception cref="ReaderLeftException">It is a pipe, and its reader has left.</exception>
    /// <exception cref="IOException">It is closed or full.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            while (!PosixCalls.CanWrite(File, Milliseconds))
            {
                cancellation.ThrowIfCancellationRequested();
            }

            (int written, int error) = PosixCalls.TryWrite(File, buffer[..Math.Min(buffer.Length, Most)]);
            buffer = written >= 0 ? buffer[written..] : buffer;
            if (error == PosixCalls.BrokenPipe)
            {
                throw new ReaderLeftException();
            }

            if (error != 0 && error != PosixCalls.Interrupted && error != PosixCalls.WouldWait)
            {
                throw new IOException(error == PosixCalls.BadFile ? "standard output is closed" : $"standard output: {Marshal.GetPInvokeErrorMessage(error)}");
            }
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();
}
