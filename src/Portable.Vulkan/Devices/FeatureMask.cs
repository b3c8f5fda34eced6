using System.Globalization;

namespace Portable.Vulkan.Devices;

/// <summary>
/// Features to pretend away, so that the paths of poorer devices can be tested on richer ones: environment variable
/// <c>PORTABLE_VULKAN_MASK</c>, a comma-separated list of <c>coopmat</c>, <c>coopmat2</c>, <c>dot</c>, <c>storage8</c>, <c>storage16</c>, <c>memory12</c> (for 12 GiB
/// of memory: what is kept there is decided as if there were no more, which is not enforced).
/// </summary>
/// <param name="Names">Masked features.</param>
internal sealed record FeatureMask(IReadOnlySet<string> Names)
{
    /// <summary>The environment variable.</summary>
    public const string Variable = "PORTABLE_VULKAN_MASK";

    private const string Memory = "memory";

    private static readonly string[] Known = ["coopmat", "coopmat2", "dot", "storage8", "storage16"];

    /// <summary>Parses a list.</summary>
    /// <exception cref="FormatException">A name is unknown.</exception>
    public static FeatureMask Parse(string? text)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (string name in (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!Known.Contains(name) && MemoryOf(name) == 0)
            {
                throw new FormatException($"{Variable}: '{name}' is none of {string.Join(", ", Known)}, {Memory}GIB.");
            }

            names.Add(name);
        }

        return new FeatureMask(names);
    }

    /// <summary>The mask of this process.</summary>
    public static FeatureMask FromEnvironment() => Parse(Environment.GetEnvironmentVariable(Variable));

    /// <summary>The facts with the masked features gone.</summary>
    public VulkanDeviceFacts Apply(VulkanDeviceFacts facts)
    {
        bool noMatrix = Names.Contains("coopmat");
        return facts with
        {
            MemoryBytes = Names.Select(MemoryOf).Where(bytes => bytes > 0).Append(facts.MemoryBytes).Min(),
            CooperativeMatrix = facts.CooperativeMatrix && !noMatrix,
            CooperativeMatrix2 = facts.CooperativeMatrix2 && !noMatrix && !Names.Contains("coopmat2"),
            Matrices = noMatrix ? [] : facts.Matrices,
            DotProduct = facts.DotProduct && !Names.Contains("dot"),
            DotProductAccelerated = facts.DotProductAccelerated && !Names.Contains("dot"),
            MixedDotProductAccelerated = facts.MixedDotProductAccelerated && !Names.Contains("dot"),
            Storage8 = facts.Storage8 && !Names.Contains("storage8"),
            Storage16 = facts.Storage16 && !Names.Contains("storage16"),
        };
    }

    // Bytes that a name leaves of the memory; 0 where it says nothing of it.
    private static long MemoryOf(string name) =>
        name.StartsWith(Memory, StringComparison.Ordinal) && int.TryParse(name.AsSpan(Memory.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int gibibytes) ? (long)gibibytes << 30 : 0;
}
