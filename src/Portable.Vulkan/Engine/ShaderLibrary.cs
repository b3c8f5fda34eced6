using System.Security.Cryptography;

namespace Portable.Vulkan.Engine;

/// <summary>The compiled shaders, embedded in the assembly.</summary>
internal static class ShaderLibrary
{
    private static readonly Lazy<string> LazyHash = new(ComputeHash);

    /// <summary>Names of the shaders (without .spv).</summary>
    public static IReadOnlyList<string> Names { get; } =
        [.. typeof(ShaderLibrary).Assembly.GetManifestResourceNames()
            .Where(n => n.StartsWith("spirv/", StringComparison.Ordinal) && n.EndsWith(".spv", StringComparison.Ordinal))
            .Select(n => n[6..^4]).Order(StringComparer.Ordinal)];

    /// <summary>Hash over all shaders: part of every cache key.</summary>
    public static string Hash => LazyHash.Value;

    /// <summary>The SPIR-V words of a shader.</summary>
    /// <exception cref="ArgumentException">There is no such shader.</exception>
    public static byte[] Load(string name)
    {
        using Stream stream = typeof(ShaderLibrary).Assembly.GetManifestResourceStream($"spirv/{name}.spv")
            ?? throw new ArgumentException($"No shader '{name}'; there are {string.Join(", ", Names)}.", nameof(name));
        byte[] code = new byte[stream.Length];
        stream.ReadExactly(code);
        return code;
    }

    private static string ComputeHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string name in Names)
        {
            hash.AppendData(Load(name));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}
