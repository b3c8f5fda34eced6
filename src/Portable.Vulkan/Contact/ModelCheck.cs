using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;

namespace Portable.Vulkan.Contact;

/// <summary>
/// Proves a device on whole models: two blocks of each kind of norm and of cache, a prompt and then token by token, every logit
/// against the CPU's. Kernels that agree with one another on a device may all be wrong there.
/// </summary>
internal static class ModelCheck
{
    private const int Prompt = 40, Steps = 3;

    private static readonly (string Kind, ModelConfig Config, string Scheme)[] Cases =
    [
        ("RMSNorm, rotary and gate over a KV16 cache", Llama(), "W4A8"),
        ("RMSNorm, rotary and gate over a KV8 cache", Llama(), "W4A8KV8"),
        ("RMSNorm, rotary and gate over a KV4 cache", Llama(), "W6A8g64KV4"),
        ("LayerNorm and ReLU over a KV16 cache", Opt(), "W4A16"),
        ("LayerNorm and ReLU over a KV2 cache", Opt(), "W8A8KV2"),
    ];

    /// <summary>Runs the check.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="check">What is known of its kernels: those that failed are done without here too.</param>
    /// <param name="report">Told what is being done.</param>
    /// <returns>What is wrong, or null.</returns>
    public static string? Run(VulkanContext gpu, SelfCheckResult check, Action<string> report)
    {
        foreach ((string kind, ModelConfig config, string scheme) in Cases)
        {
            report($"running a model of {kind}");
            SyntheticModel source = new(config, QuantizationScheme.Parse(scheme), 5);
            using Transformer cpu = new(source, new CpuExecutor());
            using Transformer device = new(source, new VulkanExecutor(gpu, check, ownsContext: false));
            foreach (Batch batch in Batches(config))
            {
                float[] expected = cpu.Forward(batch).ToArray(), actual;
                try
                {
                    actual = device.Forward(batch).ToArray();
                }
                catch (Exception e) when (e is VulkanException or ArithmeticException or InvalidOperationException)
                {
                    return $"a model of {kind} fails: {e.Message}";
                }

                int wrong = expected.Zip(actual).Count(v => BitConverter.SingleToInt32Bits(v.First) != BitConverter.SingleToInt32Bits(v.Second));
                if (wrong > 0)
                {
                    return $"a model of {kind} has {wrong} of {expected.Length} logits that are not the CPU's ({(batch.Rows > 1 ? "prompt" : "token by token")})";
                }
            }
        }

        return null;
    }

    private static IEnumerable<Batch> Batches(ModelConfig config)
    {
        int[] ids = [.. Enumerable.Range(0, Prompt + Steps).Select(i => ((i * 37) + 11) % config.VocabularySize)];
        yield return Batch.Consecutive(ids.AsSpan(0, Prompt), 0, allLogits: true);
        for (int i = Prompt; i < ids.Length; i++)
        {
            yield return Batch.Consecutive([ids[i]], i, allLogits: true);
        }
    }

    private static ModelConfig Llama() => Of("llama", new BlockLayout
    {
        Hidden = 128,
        Intermediate = 192,
        Attention = new AttentionLayout(4, 2, 32),
        Rotary = new RotaryLayout(32, 10000),
        NormEpsilon = 1e-5f,
    });

    private static ModelConfig Opt() => Of("opt", Llama().Blocks[0] with
    {
        Attention = new AttentionLayout(4, 4, 32),
        Rotary = null,
        Norm = NormKind.Layer,
        Activation = ActivationKind.Relu,
        Gated = false,
        AttentionBias = true,
        OutputBias = true,
        MlpBias = true,
    }) with { LearnedPositionOffset = 2 };

    private static ModelConfig Of(string type, BlockLayout block) => new() { ModelType = type, Blocks = [block, block], VocabularySize = 101, MaximumPositions = 64 };
}
