using Portable.Execution;
using Portable.Models;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Model;

/// <summary>Linear layers with one input as one matrix.</summary>
internal sealed class VulkanLinear(QuantizedLinear linear, GpuBuffer weights, GpuBuffer scales, GpuBuffer zeros, GpuBuffer sums, GpuBuffer bias)
    : DeviceLinear(linear.OutputFeatures)
{
    public CodeFormat Format { get; } = linear.Weights.Format;
    public GroupLayout Layout { get; } = linear.Weights.Layout;
    public GpuBuffer Weights => weights;
    public GpuBuffer Scales => scales;
    public GpuBuffer Zeros => zeros;
    public GpuBuffer Sums => sums;
    public GpuBuffer Bias => bias;

    /// <summary>Layers of one format and layout side by side.</summary>
    public static QuantizedLinear Join(IReadOnlyList<LinearWeights> parts)
    {
        foreach (LinearWeights part in parts)
        {
            if (part.Quantized is null)
            {
                throw new VulkanException($"{part.Name} is not quantized; unquantized layers run on --device cpu only.");
            }
        }

        QuantizedLinear first = parts[0].Quantized!;
        if (parts.Count == 1)
        {
            return first;
        }

        QuantizedLinear[] layers = [.. parts.Select(p => p.Quantized!)];
        int rows = layers.Sum(l => l.OutputFeatures);
        BitPlaneMatrix joined = new(
            rows,
            first.Weights.Layout,
            first.Weights.Format,
            [.. layers.SelectMany(l => l.Weights.Words)],
            [.. layers.SelectMany(l => l.Weights.RowSums)]);
        byte[]? zeros = layers.Any(l => l.ZeroPoints is not null) ? [.. layers.SelectMany(l => l.ZeroPoints ?? new byte[l.Scales.Length])] : null;
        float[]? bias = layers.Any(l => l.Bias is not null) ? [.. layers.SelectMany(l => l.Bias ?? new float[l.OutputFeatures])] : null;
        return new QuantizedLinear(joined, [.. layers.SelectMany(l => l.Scales)], zeros, bias, first.Input);
    }
}
