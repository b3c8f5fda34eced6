using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Portable.Cli.Output;

/// <summary>The process's own streams, made fit for the tool.</summary>
internal static class StandardStreams
{
    private const int Input = 0, Output = 1, Error = 2, Count = 3;

    private static readonly List<SafeFileHandle> Held = [];
    private static readonly bool[] Closed = new bool[Count];

    /// <summary>
    /// The runtime's first files have the numbers of streams that were closed, so which were is found out first. The next file that is opened would take the number of a standard stream that is closed, and what is written to the stream: before
    /// any is, a null device takes it, which is open for reading alone and so refuses writing as a closed stream does.
    /// </summary>
    public static void HoldClosed()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        for (int i = 0; i < Count; i++)
        {
            Closed[i] = !PosixCalls.IsInherited(i);
        }

        while (true)
        {
            SafeFileHandle handle = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (handle.DangerousGetHandle() >= Count)
            {
                handle.Dispose();
                return;
            }

            Held.Add(handle);
        }
    }

    /// <summary>
    /// JSON and text are UTF-8 whatever the console's code page is, and carry no byte order mark; what is piped in and is no UTF-8 is
    /// refused, as in files; messages that cannot be written are lost; a result that cannot be written is an error.
    /// </summary>
    /// <param name="cancellation">Ends waiting for a reader of standard output that does not read.</param>
    public static void Prepare(CancellationToken cancellation)
    {
        UTF8Encoding plain = new(encoderShouldEmitUTF8Identifier: false);
        Console.OutputEncoding = plain;
        Console.SetError(Closed[Error] ? TextWriter.Null : new UnfailingWriter(Console.Error));
        if (Closed[Output])
        {
            Console.SetOut(new ClosedOutput());
        }
        else if (!OperatingSystem.IsWindows())
        {
            Console.SetOut(new StreamWriter(new StandardOutput(cancellation), plain) { AutoFlush = true });
        }

        if (Closed[Input])
        {
            Console.SetIn(new ClosedInput());
        }
        else if (Console.IsInputRedirected)
        {
            Console.SetIn(new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: false));
        }
    }
}
