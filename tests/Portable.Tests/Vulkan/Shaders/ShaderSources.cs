using System.Text.RegularExpressions;

namespace Portable.Tests.Vulkan.Shaders;

/// <summary>The GLSL sources, where the repository lies around the tests.</summary>
internal static partial class ShaderSources
{
    /// <summary>shaders/, or null.</summary>
    public static string? Folder { get; } = Find();

    /// <summary>The source of a shader.</summary>
    public static string PathOf(string name) => Directory.EnumerateFiles(Folder!, name + ".comp", SearchOption.AllDirectories).Single();

    /// <summary>A source with everything that it includes, each file once.</summary>
    public static string WithIncludes(string path) => Expand(path, []);

    private static string Expand(string path, HashSet<string> seen)
    {
        if (!seen.Add(Path.GetFileName(path)))
        {
            return "";
        }

        return Include().Replace(File.ReadAllText(path), m => Expand(Directory.EnumerateFiles(Folder!, m.Groups[1].Value, SearchOption.AllDirectories).Single(), seen));
    }

    [GeneratedRegex("#include \"(?:.*/)?([^\"/]+)\"")]
    private static partial Regex Include();

    private static string? Find()
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
