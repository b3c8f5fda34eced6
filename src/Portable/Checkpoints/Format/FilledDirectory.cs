using Portable.Checkpoints.Files;

namespace Portable.Checkpoints.Format;

/// <summary>
/// A directory that is there already and empty: a shell's own (<c>--output .</c>) or a mount's, which no rename may take from whoever holds it.
/// What is finished comes into it file by file, and the manifest, without which it is no checkpoint, last.
/// </summary>
internal static class FilledDirectory
{
    /// <summary>Moves a finished checkpoint into it.</summary>
    /// <param name="finished">Where its files are.</param>
    /// <param name="target">The empty directory.</param>
    /// <param name="kept">Name of a file that stays.</param>
    /// <exception cref="IOException">A file is there already, or cannot be moved.</exception>
    public static void Fill(string finished, string target, string kept)
    {
        if (Directory.EnumerateFileSystemEntries(target).Any())
        {
            throw new IOException("it was empty when the run began, and now is not");
        }

        IEnumerable<string> names = Directory.EnumerateFiles(finished, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(finished, f)).Where(n => n != kept);
        foreach (string name in names.OrderBy(n => n == PortableFormat.ManifestName).ThenBy(n => n, StringComparer.Ordinal).ToArray())
        {
            Move(name, finished, target);
        }
    }

    /// <summary>Whether a run was killed while it filled a directory: all that it holds is the unfinished checkpoint's, and lacking there.</summary>
    public static bool IsBegun(string unfinished, string target) =>
        Names(unfinished) is { } names && Directory.EnumerateFileSystemEntries(target, "*", SearchOption.AllDirectories).All(entry =>
        {
            string name = Path.GetRelativePath(target, entry).Replace(Path.DirectorySeparatorChar, '/');
            return Directory.Exists(entry) ? names.Any(n => n.StartsWith(name + "/", StringComparison.Ordinal)) : names.Contains(name) && !File.Exists(Path.Combine(unfinished, name));
        });

    /// <summary>Moves back what such a run had moved.</summary>
    public static void Withdraw(string unfinished, string target)
    {
        foreach (string file in Directory.EnumerateFiles(target, "*", SearchOption.AllDirectories).ToArray())
        {
            Move(Path.GetRelativePath(target, file), target, unfinished);
        }

        foreach (string directory in Directory.EnumerateDirectories(target).ToArray())
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static void Move(string name, string from, string to)
    {
        string place = Path.Combine(to, name);
        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
        File.Move(Path.Combine(from, name), place);
    }

    private static HashSet<string>? Names(string unfinished)
    {
        string manifest = Path.Combine(unfinished, PortableFormat.ManifestName);
        try
        {
            return File.Exists(manifest) ? [.. Manifest.Read(manifest).Files.Select(f => f.Name)] : null;
        }
        catch (Exception e) when (e is CheckpointException or ArgumentException)
        {
            return null;
        }
    }
}
