using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Portable.Cli.Output;

/// <summary>The process's own streams, made fit for the tool.</summary>
internal static class StandardStreams
{
    private static readonly List<SafeFileHandle> Held = [];

    /// <summary>
    /// The next file that is opened would take the number of a standard stream that is closed, and what is written to the stream: before
    /// any is, a null device takes it, which is open for reading alone and so refuses writing as a closed stream does.
    /// </summary>
    public static void HoldClosed()
    {
        const int Standard = 3;
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        while (true)
        {
            SafeFileHandle handle = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            if (handle.DangerousGetHandle() >= Standard)
            {
                handle.Dispose();
                return;
            }

            Held.Add(handle);
        }
    }

    /// <summary>
    /// JSON and text are UTF-8 whatever the console's code page is, and carry no byte order mark; what is piped in and is no UTF-8 is
    /// refused, as in files; messages that cannot be written are lost.
    /// </summary>
    public static void Prepare()
    {
        Console.OutputEncoding = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        Console.SetError(new UnfailingWriter(Console.Error));
        if (Console.IsInputRedirected)
        {
            Console.SetIn(new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true), detectEncodingFromByteOrderMarks: false));
        }
    }
}
