using System.Collections.Concurrent;
using System.Text.Json;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Matmul.Selection;

/// <summary>One measurement of tuning.</summary>
/// <param name="Nanoseconds">Time of one matmul, weights cold.</param>
/// <param name="Label">The kernel.</param>
internal sealed record TunedTime(double Nanoseconds, string Label);

/// <summary>
/// The measured choices of a device: its user's own, kept on disk by device, driver and shaders, before those that come with
/// the assembly. A problem takes the choice of the nearest measured one of the same class: widths, groups and digits alike,
/// then M and the size of N·K.
/// </summary>
internal sealed class TunedChoices
{
    private readonly string _path;
    private readonly ConcurrentDictionary<string, TunedTime[]> _table;
    private readonly IReadOnlyDictionary<string, string> _shipped;

    private TunedChoices(string path, ConcurrentDictionary<string, TunedTime[]> table, IReadOnlyDictionary<string, string> shipped) =>
        (_path, _table, _shipped) = (path, table, shipped);

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
                table = JsonSerializer.Deserialize(data, SelectionJson.Default.ConcurrentDictionaryStringTunedTimeArray);
            }
            catch (JsonException)
            {
                // A damaged cache is as good as none.
            }
        }

        return new TunedChoices(path, table ?? new(), ShippedChoices.For(device.Name));
    }

    /// <summary>The key of a problem: class | M, N, K.</summary>
    public static string KeyOf(MatmulProblem p) =>
        FormattableString.Invariant($"w{p.Weights.Bits} d{p.Digits} g{p.GroupBlocks} z{(p.WeightZeros ? 1 : 0)}{(p.Activations.Signed ? 0 : 1)}|{p.M}|{p.N}|{p.Layout.Columns}");

    /// <summary>The kernel measured best for the nearest problem, or null.</summary>
    public string? Find(MatmulProblem problem)
    {
        const double Far = 3;
        string key = KeyOf(problem), group = key[..key.IndexOf('|')] + "|";
        return _table.Select(e => (e.Key, e.Value[0].Label))
            .Concat(_shipped.Where(e => !_table.ContainsKey(e.Key)).Select(e => (e.Key, Label: e.Value)))
            .Where(e => e.Key.StartsWith(group, StringComparison.Ordinal))
            .Select(e => (e.Label, Distance: Distance(e.Key, problem)))
            .Where(e => e.Distance < Far)
            .OrderBy(e => e.Distance)
            .Select(e => e.Label)
            .FirstOrDefault();
    }

    /// <summary>Keeps the measurements of a problem, best first.</summary>
    public void Add(MatmulProblem problem, IEnumerable<TunedTime> times) => _table[KeyOf(problem)] = [.. times.OrderBy(t => t.Nanoseconds)];

    /// <summary>Writes the table to disk.</summary>
    /// <returns>Where, or null where it cannot be written.</returns>
    public string? Save() => UserCache.TryWrite(_path, JsonSerializer.SerializeToUtf8Bytes(_table, SelectionJson.Default.ConcurrentDictionaryStringTunedTimeArray)) ? _path : null;

    /// <summary>The best kernels as text, the form in which they come with the assembly (<see cref="ShippedChoices"/>).</summary>
    /// <param name="device">The device's name.</param>
    public string Export(string device) => string.Concat(
        _table.OrderBy(e => e.Key, StringComparer.Ordinal).Select(e => $"{e.Key} = {e.Value[0].Label}\n").Prepend($"# {device}\n"));

    // Octaves of M count most: what is best turns with M, less with N, that is how many workgroups there are, and least with K.
    private static double Distance(string key, MatmulProblem p)
    {
        int[] sizes = [.. key.Split('|').Skip(1).Select(s => int.Parse(s, System.Globalization.CultureInfo.InvariantCulture))];
        static double Octaves(double a, double b) => Math.Abs(Math.Log2(a / b));
        return 2 * Octaves(sizes[0], p.M) + Octaves(sizes[1], p.N) / 2 + Octaves(sizes[2], p.Layout.Columns) / 4;
    }
}
