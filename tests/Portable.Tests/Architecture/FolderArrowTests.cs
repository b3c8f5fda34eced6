using System.Reflection;

namespace Portable.Tests.Architecture;

/// <summary>
/// Arrows between the folders (namespaces) of a project run one way: each folder names only those that stand before it here.
/// A new folder takes its place in the list of its project, behind everything that it needs.
/// </summary>
public sealed class FolderArrowTests
{
    private static readonly Dictionary<string, string[]> Order = new()
    {
        ["Portable.Reference"] =
        [
            "Threading", "Arithmetic", "Arithmetic/Gemm", "Blocks", "BitPlanes", "BitPlanes/Kernels", "Quantization", "Matmul", "Operations", "Training",
            "Algorithms/Baselines", "Algorithms/AbqLlm", "Algorithms/FlexQ", "Algorithms/FlattenQuant", "Benchmarking",
        ],
        ["Portable"] =
        [
            "Checkpoints", "Checkpoints/Files", "Models", "Models/Architectures", "Checkpoints/Safetensors", "Checkpoints/HuggingFace", "Checkpoints/Format",
            "Tokenizers/Unicode", "Tokenizers/Vocabularies", "Tokenizers/Patterns", "Tokenizers/SentencePieces", "Tokenizers/Pipeline", "Tokenizers/Files", "Tokenizers",
            "Chat/Templates", "Chat/Tools",
            "Execution", "Inference", "Generation/Constraints", "Generation", "Evaluation", "Serving", "Calibration",
            "Quantization", "Quantization/Baselines", "Quantization/AbqLlm", "Quantization/FlexQ", "Quantization/FlattenQuant", "Quantization/Runs",
            "Benchmarking", "Verification", ".",
        ],
        ["Portable.Vulkan"] = ["Instances", "Devices", "Engine", "Shaders", "Matmul/Operands", "Matmul/Techniques", "Matmul/Selection", "Tensors", "Operations", "Model", "Training", "Calibration", "SelfChecks", "Contact", "Benchmarking", "."],
        ["Portable.Extensions.AI"] = ["."],
        ["Portable.Server"] = ["Http", "Api", "."],
        ["Portable.Cli"] = ["CommandLine", "Output", "Conversations", "Devices", "Verbs", "Benchmarking", "."],
    };

    public static TheoryData<string> Projects => [.. Order.Keys];

    [Theory]
    [MemberData(nameof(Projects))]
    public void FoldersNameOnlyThoseBeforeThem(string project)
    {
        string[] order = Order[project];
        var arrows = References(project);
        string[] reversed = [.. arrows.Where(a => Array.IndexOf(order, a.From) < Array.IndexOf(order, a.To)).Select(a => $"{a.From} → {a.To}: {a.Types}").Order(StringComparer.Ordinal)];
        Assert.True(reversed.Length == 0, $"{project}: arrows that run back:\n{string.Join('\n', reversed)}");
    }

    /// <summary>Every folder has its place, and every place a folder, so that the list says what is there.</summary>
    [Theory]
    [MemberData(nameof(Projects))]
    public void TheOrderNamesTheFoldersThatThereAre(string project)
    {
        string[] folders = [.. Assembly.Load(project).GetTypes().Select(t => Folder(project, t.FullName!)).OfType<string>().Distinct()];
        Assert.Equal(folders.Order(StringComparer.Ordinal), Order[project].Order(StringComparer.Ordinal));
    }

    /// <summary>Reading an assembly finds what is surely there: that no arrow is seen would pass the tests above, too.</summary>
    [Fact]
    public void ArrowsAreSeenInBodiesSignaturesAndBases()
    {
        IReadOnlySet<(string From, string To)> types = TypeReferences.Of(PathOf("Portable.Tests"));
        string here = typeof(FolderArrowTests).FullName!;
        Assert.Contains((here, "Portable.Tests.Architecture.TypeReferences"), types);
        Assert.Contains(("Portable.Tests.Architecture.Samples.Derived", "Portable.Tests.Architecture.Samples.Base"), types);
        Assert.Contains(("Portable.Tests.Architecture.Samples.Field", "Portable.Tests.Architecture.Samples.Element"), types);
        Assert.DoesNotContain(("Portable.Tests.Architecture.Samples.Base", "Portable.Tests.Architecture.Samples.Derived"), types);
    }

    private static (string From, string To, string Types)[] References(string project) =>
    [
        .. TypeReferences.Of(PathOf(project))
            .Select(r => (From: Folder(project, r.From), To: Folder(project, r.To), r))
            .Where(a => a.From is not null && a.To is not null && a.From != a.To)
            .GroupBy(a => (a.From, a.To))
            .Select(g => (g.Key.From!, g.Key.To!, string.Join(", ", g.Select(a => $"{Name(a.r.From)} names {Name(a.r.To)}").Order(StringComparer.Ordinal)))),
    ];

    /// <summary>The folder of a type below its project, "." for the project itself; null for what the compiler adds of its own.</summary>
    private static string? Folder(string project, string type)
    {
        string outermost = type.Split('+')[0];
        if (outermost.LastIndexOf('.') < 0)
        {
            return null;
        }

        string space = outermost[..outermost.LastIndexOf('.')];
        return space == project ? "." : space.StartsWith(project + ".", StringComparison.Ordinal) ? space[(project.Length + 1)..].Replace('.', '/') : null;
    }

    private static string Name(string type) => type[(type.LastIndexOf('.') + 1)..];

    private static string PathOf(string assembly) => Path.Combine(AppContext.BaseDirectory, assembly + ".dll");
}
