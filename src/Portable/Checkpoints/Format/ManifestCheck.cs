using Portable.Checkpoints.Files;
using Portable.Reference.Threading;

namespace Portable.Checkpoints.Format;

/// <summary>A file that is not as a manifest says.</summary>
/// <param name="Name">Its name in the directory, with '/'.</param>
/// <param name="Problem">differs, missing or extra.</param>
internal sealed record FileDifference(string Name, string Problem);

/// <summary>
/// Compares all bytes of a quantized checkpoint with the hashes in its manifest; opening looks at lengths and structure alone,
/// so that a model of many gigabytes opens at once.
/// </summary>
internal static class ManifestCheck
{
    /// <summary>Reads every file that the manifest names.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="manifest">Its manifest.</param>
    /// <param name="progress">Told after each file how many are done; from any thread.</param>
    /// <param name="cancellation">Stops between files.</param>
    /// <returns>What differs, is missing or is not named, in ordinal order; names that begin with a dot (.gitattributes, .cache) are nobody's.</returns>
    /// <exception cref="CheckpointException">A file cannot be read.</exception>
    public static IReadOnlyList<FileDifference> Differences(string directory, Manifest manifest, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        string?[] problems = new string?[manifest.Files.Count];
        int done = 0;
        WorkerPool.Run(problems.Length, i =>
        {
            cancellation.ThrowIfCancellationRequested();
            ManifestFile file = manifest.Files[i];
            string path = Path.Combine(directory, file.Name);
            problems[i] = !File.Exists(path) ? "missing" : FileLength.Of(path) != file.Bytes || FileHash.Sha256(path) != file.Sha256 ? "differs" : null;
            progress?.Invoke(Interlocked.Increment(ref done));
        });
        HashSet<string> named = [.. manifest.Files.Select(f => f.Name), PortableFormat.ManifestName];
        IEnumerable<string> found = Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(directory, f).Replace('\\', '/'));
        return
        [
            .. manifest.Files.Zip(problems, (file, problem) => (file.Name, Problem: problem)).Where(f => f.Problem is not null).Select(f => new FileDifference(f.Name, f.Problem!))
                .Concat(found.Where(name => name[0] != '.' && !named.Contains(name)).Select(name => new FileDifference(name, "extra")))
                .OrderBy(d => d.Name, StringComparer.Ordinal),
        ];
    }
}
