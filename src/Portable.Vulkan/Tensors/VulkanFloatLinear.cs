using Portable.Execution;
using Portable.Models;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Tensors;

/// <summary>Float layers with one input, side by side, in their checkpoint's element type.</summary>
internal sealed class VulkanFloatLinear : DeviceLinear, IDisposable
{
    private readonly List<FloatMatrix> _matrices = [];

    public VulkanFloatLinear(VulkanContext gpu, IReadOnlyList<LinearWeights> parts)
        : base(parts.Sum(p => p.OutputFeatures))
    {
        int column = 0;
        try
        {
            foreach (LinearWeights part in parts)
            {
                FloatTable table = part.Float!;
                GpuBuffer weights = gpu.Allocate(table.Bytes);
                _matrices.Add(new FloatMatrix(weights, null, new VulkanFloatTable(table.Rows, table.Columns, table.Type, weights), column));
                foreach ((int firstRow, FloatTable piece) in table.Pieces)
                {
                    gpu.Upload(piece.Data.Span, weights, table.Bytes / table.Rows * firstRow);
                }

                if (part.Bias is { } bias)
                {
                    _matrices[^1] = _matrices[^1] with { Bias = gpu.Allocate<float>(bias) };
                }

                column += part.OutputFeatures;
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The layers and the first column of each one's output.</summary>
    public IReadOnlyList<FloatMatrix> Matrices => _matrices;

    /// <summary>Bytes of the weights.</summary>
    public long Bytes => _matrices.Sum(m => m.Weights.Size);

    /// <summary>Bytes of an output row.</summary>
    public long RowBytes => OutputFeatures * (long)sizeof(float);

    /// <summary>Multiply-adds of a row.</summary>
    public long RowWork => _matrices.Sum(m => (long)m.Table.Rows * m.Table.Columns);

    public void Dispose() => _matrices.ForEach(m => m.Dispose());
}

/// <summary>One float layer.</summary>
/// <param name="Weights">N×K.</param>
/// <param name="Bias">N values, or null.</param>
/// <param name="Table">Shape and element type.</param>
/// <param name="Column">First column of its output.</param>
internal sealed record FloatMatrix(GpuBuffer Weights, GpuBuffer? Bias, VulkanFloatTable Table, int Column) : IDisposable
{
    public void Dispose()
    {
        Weights.Dispose();
        Bias?.Dispose();
    }
}

/// <summary>What float layers read: f32 rows.</summary>
internal sealed class VulkanFloatInput(InputSpec spec) : DeviceInput(spec), IRowStorage, IDeviceMemory
{
    /// <summary>The rows.</summary>
    public VulkanActivation Rows { get; } = new(spec.Columns);

    public IDeviceMemory Memory => Rows;

    public void Resize(VulkanContext gpu, int rows) => Rows.Resize(gpu, rows);

    public void Dispose() => Rows.Dispose();
}
