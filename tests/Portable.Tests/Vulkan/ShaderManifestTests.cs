using System.Diagnostics;
using System.Security.Cryptography;
using Portable.Vulkan.Engine;
using Xunit;

namespace Portable.Tests.Vulkan;

/// <summary>The committed SPIR-V belongs to the committed sources.</summary>
public sealed class ShaderManifestTests
{
    private static readonly string? Folder = FindShaders();

    [SkippableFact]
    public void EverySourceMatchesTheManifest()
    {
        Skip.If(Folder is null, "the sources are not beside the tests");
        string[] manifest = File.ReadAllLines(Path.Combine(Folder, "spirv", "manifest.txt"));
        byte[] includes = [.. Directory.GetFiles(Path.Combine(Folder, "include"), "*.glsl").OrderBy(f => Path.GetFileName(f), StringComparer.Ordinal).SelectMany(File.ReadAllBytes)];
        string[] sources = [.. Sources(Folder)];
        string[] expected = [.. sources.Select(s => $"{Path.GetFileNameWithoutExtension(s)} {Convert.ToHexStringLower(SHA256.HashData([.. File.ReadAllBytes(s), .. includes]))}")];
        Assert.Equal(expected.Order(StringComparer.Ordinal), manifest.Where(l => !l.StartsWith('#')).Order(StringComparer.Ordinal));
        Assert.Equal(sources.Select(s => Path.GetFileNameWithoutExtension(s)).Order(StringComparer.Ordinal), ShaderLibrary.Names);
    }

    [SkippableFact]
    public void RecompilingGivesTheCommittedWords()
    {
        Skip.If(Folder is null, "the sources are not beside the tests");
        string compiler = Environment.GetEnvironmentVariable("GLSLC") ?? "glslc";
        string recorded = File.ReadLines(Path.Combine(Folder, "spirv", "manifest.txt")).First();
        Skip.If(Run(compiler, "--version") is not { } version || recorded != "# compiler: " + version.Split('\n')[0].TrimEnd(), $"no glslc of the manifest's version ({recorded})");
        string output = Directory.CreateTempSubdirectory("spirv").FullName;
        foreach (string source in Sources(Folder))
        {
            string name = Path.GetFileNameWithoutExtension(source);
            string target = Path.Combine(output, name + ".spv");
            Run(compiler, "--target-env=vulkan1.3", "-O", "-I", Path.Combine(Folder, "include"), "-o", target, source);
            Assert.True(ShaderLibrary.Load(name).AsSpan().SequenceEqual(File.ReadAllBytes(target)), $"{name}.spv is not what its source compiles to; run shaders/build.sh");
        }

        Directory.Delete(output, recursive: true);
    }

    /// <summary>The shaders of all folders, by name.</summary>
    private static IEnumerable<string> Sources(string folder) =>
        Directory.GetFiles(folder, "*.comp", SearchOption.AllDirectories).OrderBy(f => Path.GetFileName(f), StringComparer.Ordinal);

    private static string? Run(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
            string text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return text;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static string? FindShaders()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            string shaders = Path.Combine(folder.FullName, "shaders");
            if (File.Exists(Path.Combine(shaders, "build.sh")))
            {
                return shaders;
            }
        }

        return null;
    }
}
