namespace Portable.Models.Architectures;

/// <summary>A row of the table of architectures: all that is particular to the models of one `model_type`.</summary>
/// <param name="ModelType">`model_type` of config.json.</param>
/// <param name="Defaults">What omitted fields mean.</param>
/// <param name="Read">Reads the rest of config.json; throws what its fields throw.</param>
/// <param name="Names">Names of the tensors.</param>
internal sealed record Architecture(string ModelType, ConfigDefaults Defaults, Func<DecoderFields, ModelConfig> Read, TensorNames Names);

/// <summary>The table: an architecture that is in it is read, run, quantized and tested; one that is not does not exist.</summary>
internal static class ArchitectureTable
{
    /// <summary>Every architecture.</summary>
    public static IReadOnlyList<Architecture> All { get; } = 
    [
        Llama.Architecture, Mistral.Architecture, Ministral3.Architecture, Qwen2.Architecture, Qwen3.Architecture, Gemma2.Architecture, Gemma3.Architecture,
        Phi3.Architecture, Olmo2.Architecture, Olmo2.WithWindows, Granite.Architecture, SmolLm3.Architecture, Nemotron.Architecture, Opt.Architecture,
    ];

    /// <summary>The architecture of a model type, or null where Portable does not run it.</summary>
    public static Architecture? TryFind(string modelType) => All.FirstOrDefault(a => a.ModelType == modelType);

    /// <summary>The architecture of a model that was read.</summary>
    public static Architecture Of(ModelConfig config) => TryFind(config.ModelType) ?? throw new ArgumentException($"Portable does not run '{config.ModelType}'.");
}
