namespace Portable.Models;

/// <summary>Shapes of well-known models by name, for benchmarks without their weights.</summary>
internal static class ModelShapes
{
    private static readonly Dictionary<string, ModelConfig> s_shapes = new(StringComparer.Ordinal)
    {
        ["small-llama"] = Llama(512, 1408, 6, 8, 4, 8192, 1024),
        ["llama-3.2-1b"] = Llama(2048, 8192, 16, 32, 8, 128256, 8192) with { RotaryBase = 500000, TiedEmbeddings = true },
        ["llama-7b"] = Llama(4096, 11008, 32, 32, 32, 32000, 2048),
        ["llama-2-13b"] = Llama(5120, 13824, 40, 40, 40, 32000, 4096),
        ["llama-2-70b"] = Llama(8192, 28672, 80, 64, 8, 32000, 4096),
        ["llama-3-8b"] = Llama(4096, 14336, 32, 32, 8, 128256, 8192) with { RotaryBase = 500000 },
        ["opt-6.7b"] = new ModelConfig
        {
            Family = ModelFamily.Opt,
            ModelType = "opt",
            HiddenSize = 4096,
            IntermediateSize = 16384,
            Layers = 32,
            Heads = 32,
            KeyValueHeads = 32,
            HeadSize = 128,
            VocabularySize = 50272,
            MaximumPositions = 2048,
            NormEpsilon = 1e-5f,
            TiedEmbeddings = true,
        },
    };

    /// <summary>The names.</summary>
    public static IEnumerable<string> Names => s_shapes.Keys;

    /// <summary>The shape of a name.</summary>
    /// <exception cref="ArgumentException">No such shape; the message lists those there are.</exception>
    public static ModelConfig Find(string name) => s_shapes.TryGetValue(name, out ModelConfig? config)
        ? config
        : throw new ArgumentException($"There is no shape '{name}'; shapes: {string.Join(", ", Names)}.");

    private static ModelConfig Llama(int hidden, int intermediate, int layers, int heads, int keyValueHeads, int vocabulary, int positions) => new()
    {
        Family = ModelFamily.Llama,
        ModelType = "llama",
        HiddenSize = hidden,
        IntermediateSize = intermediate,
        Layers = layers,
        Heads = heads,
        KeyValueHeads = keyValueHeads,
        HeadSize = hidden / heads,
        VocabularySize = vocabulary,
        MaximumPositions = positions,
        NormEpsilon = 1e-5f,
    };
}
