using System.Runtime.InteropServices;

namespace Portable.Checkpoints.Files;

/// <summary>Wishes that Linux takes about mapped memory. Where they are not granted, and on other systems, everything works without.</summary>
internal static unsafe partial class MemoryAdvice
{
    private const int HugePages = 14; // MADV_HUGEPAGE

    /// <summary>Large pages for memory that nobody has touched: each costs one fault in place of 512.</summary>
    public static void UseLargePages(void* start, nuint bytes) => Advise(start, bytes, HugePages);

    private static void Advise(void* start, nuint bytes, int advice)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        try
        {
            _ = Madvise(start, bytes, advice);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Madvise(void* start, nuint bytes, int advice);
}
