using System.Text.Json;
using Portable.Checkpoints.Files;

namespace Portable.Models.Architectures;

/// <summary>Shapes of well-known models by name, for benchmarks without their weights: what their config.json says.</summary>
internal static class ModelShapes
{
    private static readonly Dictionary<string, (string Type, string Fields)> Configs = new(StringComparer.Ordinal)
    {
        ["small-llama"] = ("llama", Llama(512, 1408, 6, 8, 4, 8192, 1024)),
        ["llama-7b"] = ("llama", Llama(4096, 11008, 32, 32, 32, 32000, 2048)),
        ["llama-2-13b"] = ("llama", Llama(5120, 13824, 40, 40, 40, 32000, 4096)),
        ["llama-2-70b"] = ("llama", Llama(8192, 28672, 80, 64, 8, 32000, 4096)),
        ["llama-3-8b"] = ("llama", Llama(4096, 14336, 32, 32, 8, 128256, 8192, """, "rope_theta": 500000""")),
        ["llama-3.2-1b"] = ("llama", Llama(2048, 8192, 16, 32, 8, 128256, 131072, """, "head_dim": 64, "tie_word_embeddings": true, "rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 32, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192}""")),
        ["qwen3-0.6b"] = ("qwen3", Llama(1024, 3072, 28, 16, 8, 151936, 40960, """, "head_dim": 128, "tie_word_embeddings": true, "rope_theta": 1000000""", 1e-6)),
        ["qwen3-8b"] = ("qwen3", Llama(4096, 12288, 36, 32, 8, 151936, 40960, """, "head_dim": 128, "rope_theta": 1000000""", 1e-6)),
        ["gemma-3-4b"] = ("gemma3_text", Llama(2560, 10240, 34, 8, 4, 262208, 131072, """, "head_dim": 256, "sliding_window": 1024, "rope_scaling": {"rope_type": "linear", "factor": 8}""", 1e-6)),
        ["phi-4-mini"] = ("phi3", Llama(3072, 8192, 32, 24, 8, 200064, 131072, """, "tie_word_embeddings": true, "partial_rotary_factor": 0.75, "original_max_position_embeddings": 4096, "sliding_window": 262144, "rope_scaling": {"type": "longrope", "short_factor": [""" + Numbers(48, _ => 1) + """], "long_factor": [""" + Numbers(48, i => Math.Min(Math.Pow(1.118320672, i), 32 + i / 3)) + "]}")),
        ["mistral-small-24b"] = ("mistral", Llama(5120, 32768, 40, 32, 8, 131072, 32768, """, "head_dim": 128, "sliding_window": null, "rope_theta": 100000000""")),
        ["opt-6.7b"] = ("opt", """{"hidden_size": 4096, "ffn_dim": 16384, "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 50272, "max_position_embeddings": 2048}"""),
    };

    /// <summary>The names.</summary>
    public static IEnumerable<string> Names => Configs.Keys;

    /// <summary>The shape of a name.</summary>
    /// <exception cref="ArgumentException">No such shape; the message lists those there are.</exception>
    public static ModelConfig Find(string name)
    {
        if (!Configs.TryGetValue(name, out (string Type, string Fields) shape))
        {
            throw new ArgumentException($"There is no shape '{name}'; shapes: {string.Join(", ", Names)}.");
        }

        Architecture architecture = ArchitectureTable.TryFind(shape.Type)!;
        using JsonDocument document = JsonDocument.Parse(shape.Fields);
        return architecture.Read(new DecoderFields(new JsonFields(name, document.RootElement), shape.Type, architecture.Defaults));
    }

    // Phi's long factors as their fit: a geometric series that ends near 32. What they are makes no step slower or faster.
    private static string Numbers(int count, Func<int, double> number) => string.Join(", ", Enumerable.Range(0, count).Select(i => FormattableString.Invariant($"{number(i):R}")));

    private static string Llama(int hidden, int intermediate, int layers, int heads, int keyValueHeads, int vocabulary, int positions, string more = "", double epsilon = 1e-5) => FormattableString.Invariant(
        $$"""{"hidden_size": {{hidden}}, "intermediate_size": {{intermediate}}, "num_hidden_layers": {{layers}}, "num_attention_heads": {{heads}}, "num_key_value_heads": {{keyValueHeads}}, "vocab_size": {{vocabulary}}, "max_position_embeddings": {{positions}}, "rms_norm_eps": {{epsilon}}{{more}}}""");
}
