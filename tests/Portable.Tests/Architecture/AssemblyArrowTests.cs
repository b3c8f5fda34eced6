using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.CompilerServices;

namespace Portable.Tests.Architecture;

/// <summary>The house's arrows, read from the built assemblies: Reference ← Portable ← Vulkan, Extensions.AI ← Server ← Cli.</summary>
public sealed class AssemblyArrowTests
{
    private static readonly string[] Products = ["Portable.Reference", "Portable", "Portable.Vulkan", "Portable.Extensions.AI", "Portable.Server", "Portable.Cli"];

    [Theory]
    [InlineData("Portable.Reference", "")]
    [InlineData("Portable", "Portable.Reference")]
    [InlineData("Portable.Vulkan", "Portable.Reference Portable")]
    [InlineData("Portable.Extensions.AI", "Portable")]
    [InlineData("Portable.Server", "Portable Portable.Extensions.AI")]
    [InlineData("Portable.Cli", "Portable.Reference Portable Portable.Vulkan Portable.Server")]
    public void AssembliesReferenceOnlyWhatTheyMay(string assembly, string allowed)
    {
        string[] references = ReadReferences(assembly).Intersect(Products).ToArray();
        Assert.Empty(references.Except(allowed.Split(' ')));
    }

    [Fact]
    public void ReferenceTouchesNoFileAndNoDevice()
    {
        using var file = new PEReader(File.OpenRead(PathOf("Portable.Reference")));
        MetadataReader metadata = file.GetMetadataReader();
        string[] used = [.. metadata.TypeReferences.Select(metadata.GetTypeReference).Select(t => $"{metadata.GetString(t.Namespace)}.{metadata.GetString(t.Name)}")];
        Assert.NotEmpty(used);
        Assert.DoesNotContain(used, name => name.StartsWith("System.IO.", StringComparison.Ordinal) && !name.EndsWith("Exception", StringComparison.Ordinal));
        Assert.DoesNotContain(ReadReferences("Portable.Reference"), name => name.StartsWith("Silk.", StringComparison.Ordinal));
    }

    [Fact]
    public void ReferenceNamesNoModelFileOrDevice()
    {
        string[] words = ["Llama", "Vulkan", "Safetensors", "Checkpoint", "Transformer", "Gpu"];
        string[] names = [.. Assembly.Load("Portable.Reference").GetTypes().Select(t => t.FullName!)];
        Assert.DoesNotContain(names, name => words.Any(name.Contains));
    }

    /// <summary>Internals are open along the arrows and to the tests and benchmarks, nowhere else.</summary>
    [Theory]
    [InlineData("Portable.Reference", "Portable Portable.Vulkan Portable.Cli Portable.Tests Portable.Benchmarks")]
    [InlineData("Portable", "Portable.Vulkan Portable.Extensions.AI Portable.Server Portable.Cli Portable.Tests Portable.Benchmarks")]
    [InlineData("Portable.Vulkan", "Portable.Cli Portable.Tests Portable.Benchmarks")]
    [InlineData("Portable.Extensions.AI", "Portable.Server Portable.Tests")]
    [InlineData("Portable.Server", "Portable.Cli Portable.Tests")]
    [InlineData("Portable.Cli", "Portable.Tests")]
    public void InternalsAreOpenAlongTheArrowsOnly(string assembly, string allowed) =>
        Assert.Equal(allowed.Split(' '), Assembly.Load(assembly).GetCustomAttributes<InternalsVisibleToAttribute>().Select(a => a.AssemblyName));

    /// <summary>What an assembly sees in another is not written again: no two types have one name and the same methods.</summary>
    [Fact]
    public void NoTypeIsThereTwice()
    {
        const BindingFlags Own = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        Type[] types = [.. Products.SelectMany(p => Assembly.Load(p).GetTypes()).Where(t => t.FullName!.StartsWith("Portable.", StringComparison.Ordinal) && !t.IsEnum && !t.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false))];
        Assert.True(types.Length > 500);
        Assert.Empty(types
            .GroupBy(t => string.Join("; ", t.GetMethods(Own).Cast<MethodBase>().Concat(t.GetConstructors(Own)).Select(m => m.ToString()).Order(StringComparer.Ordinal).Prepend(t.Name)))
            .Where(g => g.Count() > 1)
            .Select(g => string.Join(" and ", g.Select(t => t.FullName))));
    }

    private static string[] ReadReferences(string assembly) =>
        [.. Assembly.LoadFrom(PathOf(assembly)).GetReferencedAssemblies().Select(r => r.Name!)];

    private static string PathOf(string assembly) => Path.Combine(AppContext.BaseDirectory, assembly + ".dll");
}
