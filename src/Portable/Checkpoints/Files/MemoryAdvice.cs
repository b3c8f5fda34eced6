using System.Runtime.InteropServices;

namespace Portable.Checkpoints.Files;

/// <summary>Wishes that Linux takes about mapped memory. Where they are not granted, and on other systems, everything works without.</summary>
internal static unsafe partial class MemoryAdvice
{
    private const int HugePages = 14, PopulateRead = 22; // MADV_HUGEPAGE, MADV_POPULATE_READ (Linux 5.14)

    /// <summary>Large pages for memory that nobody has touched: each costs one fault in place of 512.</summary>
    public static void UseLargePages(void* start, nuint bytes) => Advise(start, bytes, HugePages);

    /// <summary>Maps the pages of a file at once that would else come in small lots, each at the price of a fault; waits for what is not in the page cache.</summary>
    public static void Populate(void* start, nuint bytes)
    {
        nuint rest = (nuint)start % (nuint)Environment.SystemPageSize;
        Advise((byte*)start - rest, bytes + rest, PopulateRead);
    }

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
