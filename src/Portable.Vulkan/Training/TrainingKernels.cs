using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Training;

/// <summary>A matrix on the device.</summary>
/// <param name="Address">Row-major elements.</param>
/// <param name="Type">Their type.</param>
/// <param name="Rows">N.</param>
/// <param name="Columns">K.</param>
/// <param name="Bias">N f32, or 0.</param>
internal readonly record struct TrainingMatrix(ulong Address, TableType Type, int Rows, int Columns, ulong Bias);

/// <summary>Gain and bias of a norm, or their gradients; 0 = none.</summary>
internal readonly record struct TrainingVectors(ulong Gain, ulong Bias);

/// <summary>What operations of training share: memory that goes with them, and the shapes of their dispatches.</summary>
/// <param name="gpu">The device.</param>
internal sealed class TrainingKernels(VulkanContext gpu) : IDisposable
{
    private readonly List<GpuBuffer> _buffers = [];

    /// <summary>The device.</summary>
    public VulkanContext Gpu => gpu;

    /// <summary>Invocations for rows of a length.</summary>
    public static int Workgroup(int columns) => columns <= 256 ? 64 : 256;

    /// <summary>Memory for f32, undefined.</summary>
    public GpuBuffer Allocate(long values, MemoryKind kind = MemoryKind.Device)
    {
        GpuBuffer buffer = gpu.Allocate(4 * values, kind);
        _buffers.Add(buffer);
        return buffer;
    }

    /// <summary>Memory for f32, zeros.</summary>
    public GpuBuffer Zeros(long values)
    {
        GpuBuffer buffer = Allocate(values);
        gpu.Run(r => r.Fill(buffer, 0, buffer.Size, 0));
        return buffer;
    }

    /// <summary>Memory filled from the host.</summary>
    public GpuBuffer Allocate(ReadOnlySpan<float> values)
    {
        GpuBuffer buffer = gpu.Allocate(values);
        _buffers.Add(buffer);
        return buffer;
    }

    /// <summary>Adds an elementwise kernel over rows × columns.</summary>
    public static void Elements<TPush>(TrainingProgram program, string name, Shader<TPush> shader, TPush push, int rows, int columns)
        where TPush : unmanaged => program.Add(name, shader, push, Math.Max(1, (columns + 1023) / 1024), rows, work: (long)rows * columns);

    /// <summary>Adds y = a + b.</summary>
    public static void Sum(TrainingProgram program, ulong a, ulong b, ulong y, int rows, int columns, bool oneRow = false) =>
        Elements(program, oneRow ? "bias" : "sum", new TrainingAddShader { Workgroup = 256, OneRow = oneRow }, new TrainingAddPush(a, b, y, (uint)columns), rows, columns);

    /// <summary>Adds sums of columns: Σ a, Σ a·b, Σ a·b·weight or Σ a·weight.</summary>
    public static void ColumnSums(TrainingProgram program, ulong a, (ulong Address, TableType Type)? b, ulong weight, ulong sums, int rows, int columns)
    {
        TrainingColumnSumsShader shader = new() { Workgroup = 256, Product = b is not null, Weighted = weight != 0, TableType = b?.Type ?? TableType.Float32 };
        program.Add("column sums", shader, new TrainingColumnSumsPush(a, b?.Address ?? 0, weight, sums, (uint)rows, (uint)columns), (columns + 31) / 32, work: (long)rows * columns);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (GpuBuffer buffer in _buffers)
        {
            buffer.Dispose();
        }

        _buffers.Clear();
    }
}
