using Portable.Execution;
using Portable.Models;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Model;

/// <summary>Linear layers with one input, side by side: neighbours of one weight format are one matrix.</summary>
internal sealed class VulkanLinear : DeviceLinear, IDisposable
{
    private readonly List<(GpuLinear Matrix, int Column)> _matrices = [];

    public VulkanLinear(VulkanContext gpu, IReadOnlyList<LinearWeights> parts)
        : base(parts.Sum(p => p.OutputFeatures))
    {
        QuantizedLinear[] layers = [.. parts.Select(p => p.Quantized
            ?? throw new VulkanException($"{p.Name} is not quantized; unquantized layers run on --device cpu only."))];
        int column = 0;
        try
        {
            for (int start = 0; start < layers.Length;)
            {
                int end = start + 1;
                while (end < layers.Length && GpuLinear.CanJoin(layers[start], layers[end]))
                {
                    end++;
                }

                GpuLinear matrix = GpuLinear.Upload(gpu, layers[start..end]);
                _matrices.Add((matrix, column));
                column += matrix.Rows;
                start = end;
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The matrices and the first column of each one's output.</summary>
    public IReadOnlyList<(GpuLinear Matrix, int Column)> Matrices => _matrices;

    public void Dispose()
    {
        foreach ((GpuLinear matrix, _) in _matrices)
        {
            matrix.Dispose();
        }
    }
}
