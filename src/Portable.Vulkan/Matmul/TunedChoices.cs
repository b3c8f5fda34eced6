using System.Collections.Concurrent;
using System.Text.Json;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Matmul;

/// <summary>One measurement of tuning.</summary>
/// <param name="Nanoseconds">Time of one matmul, weights cold.</param>
/// <param name="Label">The kernel.</param>
public sealed record TunedTime(double Nanoseconds, string Label);

/// <summary>
/// The measured choices of a device, kept on disk by device, driver and shaders. A problem takes the choice of the nearest
/// measured one of the same class: widths, groups and digits alike, then M and the size of N·K.
/// </summary>
public sealed class TunedChoices
{
    private readonly string _path;
    private readonly ConcurrentDictionary<string, TunedTime[]> _table;

    private TunedChoices(string path, ConcurrentDictionary<string, TunedTime[]> table) => (_path, _table) = (path, table);

    /// <summary>Measurements by problem key.</summary>
    public IReadOnlyDictionary<string, TunedTime[]> Table => _table;

    /// <summary>What is on disk for a device.</summary>
    public static TunedChoices Load(VulkanDeviceFacts device)
    {
        string path = UserCache.PathOf("tuned", device.Key + ShaderLibrary.Hash) + ".json";
        ConcurrentDictionary<string, TunedTime[]>? table = null;
        if (UserCache.TryRead(path) is { } data)
        {
            try
            {
                table = JsonSerializer.Deserialize<ConcurrentDictionary<string, TunedTime[]>>(data);
            }
            catch (JsonException)
            {
                // A damaged cache is as good as none.
            }
        }

        return new TunedChoices(path, table ?? new());
    }

    /// <summary>The key of a problem: class | M, N, K.</summary>
    public static string KeyOf(MatmulProblem p) =>
        FormattableString.Invariant($"w{p.Weights.Bits} d{p.Digits} g{p.GroupBlocks} z{(p.WeightZeros ? 1 : 0)}{(p.Activations.Signed ? 0 : 1)}|{p.M}|{p.N}|{p.Layout.Columns}");

    /// <summary>The kernel measured best for the nearest problem, or null.</summary>
    public string? Find(MatmulProblem problem)
    {
        string key = KeyOf(problem);
        if (_table.TryGetValue(key, out TunedTime[]? exact))
        {
            return exact[0].Label;
        }

        string group = key[..key.IndexOf('|')] + "|";
        return _table.Where(e => e.Key.StartsWith(group, StringComparison.Ordinal))
            .Select(e => (e.Value, Distance: Distance(e.Key, problem)))
            .Where(e => e.Distance < 3)
            .OrderBy(e => e.Distance)
            .Select(e => e.Value[0].Label)
            .FirstOrDefault();
    }

    /// <summary>Keeps the measurements of a problem, best first.</summary>
    public void Add(MatmulProblem problem, IEnumerable<TunedTime> times) => _table[KeyOf(problem)] = [.. times.OrderBy(t => t.Nanoseconds)];

    /// <summary>Writes the table to disk.</summary>
    /// <returns>Where, or null where it cannot be written.</returns>
    public string? Save() => UserCache.TryWrite(_path, JsonSerializer.SerializeToUtf8Bytes(_table)) ? _path : null;

    // Octaves of M count double: what is best turns with M, less with the size of the weights.
    private static double Distance(string key, MatmulProblem p)
    {
        int[] sizes = [.. key.Split('|').Skip(1).Select(s => int.Parse(s, System.Globalization.CultureInfo.InvariantCulture))];
        return 2 * Math.Abs(Math.Log2((double)sizes[0] / p.M)) + Math.Abs(Math.Log2((double)sizes[1] * sizes[2] / ((double)p.N * p.Layout.Columns))) / 2;
    }
}
