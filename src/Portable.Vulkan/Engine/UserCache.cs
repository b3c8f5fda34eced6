using System.Security.Cryptography;
using System.Text;

namespace Portable.Vulkan.Engine;

/// <summary>
/// Small files kept between runs (pipeline cache, tuned choices): under <c>PORTABLE_CACHE</c>, or <c>XDG_CACHE_HOME</c>, or the
/// user's local application data. Losing it costs time, never correctness; a cache that cannot be written is done without.
/// </summary>
internal static class UserCache
{
    /// <summary>The folder.</summary>
    public static string Folder =>
        Environment.GetEnvironmentVariable("PORTABLE_CACHE") is { Length: > 0 } own ? own
        : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? Path.Combine(xdg, "portable")
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "portable");

    /// <summary>A path for what belongs to a key (device, driver, shaders).</summary>
    public static string PathOf(string kind, string key)
    {
        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..16];
        return Path.Combine(Folder, $"{kind}-{hash}");
    }

    /// <summary>A file's bytes, or null.</summary>
    public static byte[]? TryRead(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllBytes(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Removes a file where it can.</summary>
    public static void TryDelete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It stays: what it says is read again.
        }
    }

    /// <summary>Writes beside and renames, so that two processes never see half a file.</summary>
    /// <returns>Whether it could be written.</returns>
    public static bool TryWrite(string path, ReadOnlySpan<byte> data)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            string temporary = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}";
            File.WriteAllBytes(temporary, data);
            File.Move(temporary, path, overwrite: true);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return false;
        }
    }
}
