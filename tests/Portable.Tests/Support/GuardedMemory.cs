using System.Runtime.InteropServices;

namespace Portable.Tests.Support;

/// <summary>Memory whose end meets a page that may not be touched: one byte too far ends the process.</summary>
internal sealed unsafe class GuardedMemory : IDisposable
{
    private const int Page = 65536;
    private const int ReadWrite = 3;
    private const int PrivateAnonymous = 0x22;

    private readonly nint _start;
    private readonly nuint _length;

    public GuardedMemory(long bytes)
    {
        nuint pages = (nuint)((bytes + Page - 1) / Page * Page);
        _length = pages + Page;
        _start = Map(0, _length, ReadWrite, PrivateAnonymous, -1, 0);
        if (_start == -1 || Protect(_start + (nint)pages, Page, 0) != 0)
        {
            throw new InvalidOperationException("No guarded memory.");
        }

        Pointer = (byte*)_start + (long)pages - bytes;
    }

    /// <summary>Linux only: mmap's constants are the system's.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>The first of the bytes, the last of which ends at the guard.</summary>
    public byte* Pointer { get; }

    public void Dispose() => Unmap(_start, _length);

    [DllImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static extern nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [DllImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static extern int Protect(nint address, nuint length, int protection);

    [DllImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static extern int Unmap(nint address, nuint length);
}
