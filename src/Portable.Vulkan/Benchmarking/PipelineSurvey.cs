using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Quantization;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Model;

namespace Portable.Vulkan.Benchmarking;

/// <summary>One kernel as a driver built it.</summary>
/// <param name="Shader">Name of the shader.</param>
/// <param name="Constants">Its specialization constants, by the names of their properties.</param>
/// <param name="Registers">Registers of an invocation or subgroup, as the driver counts.</param>
/// <param name="Spills">Registers that went to memory.</param>
/// <param name="ScratchBytes">Bytes of memory that an invocation takes beside shared memory.</param>
/// <param name="Seconds">How long building took.</param>
internal sealed record PipelineRow(string Shader, string Constants, long Registers, long Spills, long ScratchBytes, double Seconds);

/// <summary>
/// Builds every kernel that models of a shape take on a device, and tells what the driver's compiler made of them. Nothing runs:
/// also for devices whose driver is here and which are not.
/// </summary>
internal static class PipelineSurvey
{
    /// <summary>
    /// Builds the kernels of a prompt, of decode steps of one sequence, in a short and in a split long context and by both plans of a single
    /// row, and of eight. What shapes and schemes have in common is built once.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="shapes">The shapes; one block of each stands for the others.</param>
    /// <param name="schemes">Schemes.</param>
    /// <param name="cancellation">Stops between models.</param>
    public static IReadOnlyList<PipelineRow> Run(VulkanDeviceFacts device, IReadOnlyList<ModelConfig> shapes, IReadOnlyList<QuantizationScheme> schemes, CancellationToken cancellation)
    {
        using VulkanContext gpu = VulkanContext.Open(device);
        gpu.Faults = new FaultInjection { RunsNothing = true };
        foreach (ModelConfig shape in shapes)
        {
            foreach (QuantizationScheme scheme in schemes)
            {
                cancellation.ThrowIfCancellationRequested();

                // The size of the vocabulary changes no kernel.
                Build(gpu, new SyntheticModel(shape with { Blocks = [shape.Blocks[0]], VocabularySize = 1024 }, scheme));
            }
        }

        return [.. gpu.Pipelines.Where(p => p.Pipeline.Recorded).Select(p => Row(p.Shader, p.Pipeline.Statistics)).OrderBy(r => r.Shader, StringComparer.Ordinal).ThenBy(r => r.Constants, StringComparer.Ordinal)];
    }

    /// <summary>A long and a short context of a shape, which may have few positions.</summary>
    public static (int Long, int Short) Contexts(ModelConfig shape)
    {
        int most = Math.Min(2048, shape.MaximumPositions);
        return (most, Math.Min(512, most / 2));
    }

    private static void Build(VulkanContext gpu, SyntheticModel source)
    {
        const int Prompt = 256, Sequences = 8;
        (int context, int middle) = Contexts(source.Config);
        SelfCheckResult nothingKnown = new(new Dictionary<string, string>());
        using (Transformer model = new(source, new VulkanExecutor(gpu, nothingKnown, ownsContext: false) { DecodePlan = DecodePlan.Apart }, Sequences, context))
        {
            Forward(model, Batch.Consecutive([.. Enumerable.Range(0, Math.Min(Prompt, context))], 0, false));
            Forward(model, Batch.Consecutive([.. Enumerable.Range(0, 16)], 0, false));
            Forward(model, Batch.Consecutive([1], middle, false));
            Forward(model, Batch.Consecutive([1], context - 1, false));
            int[] all = [.. Enumerable.Range(0, Sequences)];
            Forward(model, new Batch(all, all, [.. all.Select(_ => 5)], all));
        }

        foreach (DecodePlan plan in (DecodePlan[])[DecodePlan.Fused, DecodePlan.Linked])
        {
            using Transformer single = new(source, new VulkanExecutor(gpu, nothingKnown, ownsContext: false) { DecodePlan = plan }, 1, context);
            Forward(single, Batch.Consecutive([1], middle, false));
        }
    }

    private static void Forward(Transformer model, Batch batch)
    {
        try
        {
            model.Forward(batch);
        }
        catch (InvalidDataException)
        {
            // Nothing ran: logits are whatever memory held, and that need not be finite.
        }
    }

    private static PipelineRow Row(Shader shader, PipelineStatistics statistics) => new(
        shader.Name,
        string.Join(' ', SpecializationConstants.Of(shader).Select(c => $"{c.Name[(Math.Max(c.Name.LastIndexOf('.'), c.Name.LastIndexOf(')')) + 1)..]}={c.Text}")),
        statistics.Registers,
        statistics.Spills,
        statistics.ScratchBytes,
        statistics.Seconds);
}
