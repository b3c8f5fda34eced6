using Portable.Execution;
using Portable.Models;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Tensors;

/// <summary>Linear layers with one input, side by side: neighbours of one weight format are one matrix.</summary>
internal sealed class VulkanLinear : DeviceLinear, IDisposable
{
    private readonly List<(GpuLinear Matrix, int Column)> _matrices = [];

    public VulkanLinear(VulkanContext gpu, IReadOnlyList<LinearWeights> parts)
        : base(parts.Sum(p => p.OutputFeatures))
    {
        QuantizedLinear[] layers = [.. parts.Select(p => p.Quantized
            ?? throw new VulkanException($"{p.Name} is not quantized; unquantized layers run on the device cpu only."))];
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

    /// <summary>A layer of a matrix that is there.</summary>
    public VulkanLinear(GpuLinear matrix)
        : base(matrix.Rows) => _matrices.Add((matrix, 0));

    /// <summary>The matrices and the first column of each one's output.</summary>
    public IReadOnlyList<(GpuLinear Matrix, int Column)> Matrices => _matrices;

    /// <summary>Bytes of the weights and what belongs to them.</summary>
    public long Bytes => _matrices.Sum(m => m.Matrix.Bytes);

    /// <summary>The products with a number of rows.</summary>
    public IEnumerable<MatmulProblem> Problems(int rows, bool residual) => _matrices.Select(m => m.Matrix.Problem(rows, residual));

    /// <summary>Bytes of an output row.</summary>
    public long RowBytes => OutputFeatures * (long)sizeof(float);

    /// <summary>Sets what workgroups count and add in to 0, where a dispatch may not have ended.</summary>
    public void ResetCounters(VulkanContext gpu) => _matrices.ForEach(m => m.Matrix.ResetScratch(gpu));

    public void Dispose()
    {
        foreach ((GpuLinear matrix, _) in _matrices)
        {
            matrix.Dispose();
        }
    }
}
