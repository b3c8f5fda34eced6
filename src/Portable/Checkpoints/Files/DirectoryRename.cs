using System.Runtime.InteropServices;

namespace Portable.Checkpoints.Files;

/// <summary>Whether a directory can be renamed, asked of the system without renaming it: mount points cannot, nor others' directories in a sticky one.</summary>
internal static partial class DirectoryRename
{
    private const int NotPermitted = 1, NoAccess = 13, Busy = 16, CrossDevice = 18, ReadOnly = 30;

    /// <summary>Why it cannot, in the system's words; null where it can, and where the system is not asked (Windows).</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="beside">A directory beside it that is not empty.</param>
    public static string? Fault(string directory, string beside)
    {
        if (OperatingSystem.IsWindows() || !Directory.EnumerateFileSystemEntries(beside).Any())
        {
            return null;
        }

        try
        {
            // No rename replaces a directory that is not empty. That is said last, where nothing else is in the way.
            int fault = Rename(directory, beside) == 0 ? 0 : Marshal.GetLastPInvokeError();
            return fault is NotPermitted or NoAccess or Busy or CrossDevice or ReadOnly ? Marshal.GetPInvokeErrorMessage(fault) : null;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Rename(string from, string to);
}
