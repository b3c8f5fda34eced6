using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;

namespace Portable.Vulkan.Contact;

/// <summary>
/// Proves a device on whole models: two blocks of each kind of norm, of MLP and of cache, a prompt in two pieces and then token by
/// token, past the end of caches that wrap; every logit against the CPU's. Kernels that agree with one another on a device may all be wrong there.
/// </summary>
internal static class ModelCheck
{
    private const int Prompt = 40, Steps = 3;

    /// <summary>Runs the check.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="check">What is known of its kernels: those that failed are done without here too.</param>
    /// <param name="report">Told what is being done.</param>
    /// <returns>What is wrong, or null.</returns>
    public static string? Run(VulkanContext gpu, SelfCheckResult check, Action<string> report)
    {
        report("building the kernels of whole models");
        gpu.BuildAhead(
            from model in CheckedModels.All
            from prompts in new[] { true, false }
            select (Action)(() => Build(gpu, check, model, prompts, report)));
        foreach (CheckedModel model in CheckedModels.All)
        {
            (string kind, ModelConfig config, _) = model;
            report($"running a model of {kind}");
            SyntheticModel source = Source(model);
            using Transformer cpu = new(source, new CpuExecutor());
            VulkanExecutor executor = new(gpu, check, ownsContext: false, Prompt) { DecodePlan = check.DecodePlan };
            using Transformer device = new(source, executor);
            foreach (Batch batch in Batches(config))
            {
                float[] expected = cpu.Forward(batch).ToArray(), actual;
                try
                {
                    actual = device.Forward(batch).ToArray();
                }
                catch (Exception e) when (e is VulkanException or InvalidDataException or InvalidOperationException)
                {
                    return $"a model of {kind} fails: {e.Message}";
                }

                if (executor.GaveUpLinks)
                {
                    return $"a model of {kind} waits for rows that do not come";
                }

                int wrong = ResultBits.Wrong(expected, actual);
                if (wrong > 0)
                {
                    return $"a model of {kind} has {wrong} of {expected.Length} logits that are not the CPU's ({(batch.Rows > 1 ? "prompt" : "token by token")})";
                }
            }
        }

        return null;
    }

    private static SyntheticModel Source(CheckedModel model) => new(model.Config, QuantizationScheme.Parse(model.Scheme), 5);

    /// <summary>Builds the kernels of a model's prompts or of its steps, without running any.</summary>
    private static void Build(VulkanContext gpu, SelfCheckResult check, CheckedModel model, bool prompts, Action<string> report)
    {
        using Transformer device = new(Source(model), new VulkanExecutor(gpu, check, ownsContext: false, Prompt) { RecordsOnly = true });
        foreach (Batch batch in Batches(model.Config).Where(b => b.Rows > 1 == prompts))
        {
            device.Forward(batch);
        }

        // A step of its own: some compilers take minutes over all.
        report("building the kernels of whole models");
    }

    private static IEnumerable<Batch> Batches(ModelConfig config)
    {
        int[] ids = [.. Enumerable.Range(0, (2 * Prompt) + Steps).Select(i => ((i * 37) + 11) % config.VocabularySize)];
        yield return Batch.Consecutive(ids.AsSpan(0, Prompt), 0, allLogits: true);
        yield return Batch.Consecutive(ids.AsSpan(Prompt, Prompt), Prompt, allLogits: true);
        for (int i = 2 * Prompt; i < ids.Length; i++)
        {
            yield return Batch.Consecutive([ids[i]], i, allLogits: true);
        }
    }
}
