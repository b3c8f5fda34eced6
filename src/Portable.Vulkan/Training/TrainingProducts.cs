using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Training;

/// <summary>An operand of a product.</summary>
/// <param name="Address">Row-major elements.</param>
/// <param name="Type">Their type; f32 where <paramref name="Columns"/>.</param>
/// <param name="Columns">K lies along its rows: K×M (K×N) instead of M×K (N×K).</param>
internal readonly record struct ProductOperand(ulong Address, TableType Type = TableType.Float32, bool Columns = false);

/// <summary>The float products of training, y (M×N) = a·b, in one arithmetic.</summary>
internal interface ITrainingProducts : IDisposable
{
    /// <summary>Name of the arithmetic.</summary>
    string Name { get; }

    /// <summary>Adds a product.</summary>
    void Add(TrainingProgram program, string name, ProductOperand a, ProductOperand b, ulong y, int m, int n, int k);
}

/// <summary>Every output one sum in ascending k, fused: the CPU's bits.</summary>
/// <param name="gpu">The device.</param>
internal sealed class OrderedProducts(VulkanContext gpu) : ITrainingProducts
{
    /// <summary>Name of the arithmetic.</summary>
    public const string Arithmetic = "f32";

    /// <inheritdoc/>
    public string Name => Arithmetic;

    /// <inheritdoc/>
    public void Add(TrainingProgram program, string name, ProductOperand a, ProductOperand b, ulong y, int m, int n, int k)
    {
        FloatGemmShader shader = FloatArithmetic.Of(gpu).Gemm(b.Type, a.Columns, b.Columns, m, n, k);
        FloatGemmPush push = new(a.Address, b.Address, 0, y, (uint)m, (uint)n, (uint)k, (uint)n);
        program.Add(name, 2L * m * n * k, r => FloatArithmetic.Record(r, shader, push), shader);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
