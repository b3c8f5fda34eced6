using System.Runtime.InteropServices;

namespace Portable.Cli.Output;

/// <summary>What the tool asks of a POSIX system about its standard streams, which .NET's console does not say.</summary>
internal static unsafe partial class PosixCalls
{
    /// <summary>Numbers of errors that Linux and macOS share.</summary>
    public const int Interrupted = 4, BadFile = 9, BrokenPipe = 32;

    /// <summary>A call that would wait, of a file that does not.</summary>
    public static int WouldWait => OperatingSystem.IsLinux() ? 11 : 35;

    /// <summary>
    /// Whether a stream was open when the program began. Its number alone does not say so: the runtime opens files of its own, and the
    /// first take the numbers of streams that are closed; what a program is given cannot be marked to close when one begins, and the
    /// runtime marks what is its own.
    /// </summary>
    public static bool IsInherited(int file)
    {
        const int GetFlags = 1, CloseOnExec = 1;
        int flags = Fcntl(file, GetFlags);
        return flags >= 0 && (flags & CloseOnExec) == 0;
    }

    /// <summary>Waits until a file takes bytes, or is broken.</summary>
    /// <returns>Whether that came in time.</returns>
    public static bool CanWrite(int file, int milliseconds)
    {
        const short Out = 4;
        Watched watched = new() { File = file, Events = Out };
        return Poll(&watched, 1, milliseconds) > 0;
    }

    /// <summary>Writes what a file takes.</summary>
    /// <returns>Bytes written, and the error's number where it is none.</returns>
    public static (int Written, int Error) TryWrite(int file, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* first = bytes)
        {
            int written = (int)Write(file, first, (nuint)bytes.Length);
            return (written, written < 0 ? Marshal.GetLastPInvokeError() : 0);
        }
    }

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Fcntl(int file, int command);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(Watched* files, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int file, byte* bytes, nuint count);

    [StructLayout(LayoutKind.Sequential)]
    private struct Watched
    {
        public int File;
        public short Events;
        public short Happened;
    }
}
