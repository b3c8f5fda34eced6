using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Operations;

/// <summary>What an operation does at most on the batches of a plan.</summary>
/// <param name="Bytes">Bytes that it reads and writes beside those of matmuls.</param>
/// <param name="MultiplyAdds">Multiply-adds of codes outside of matmuls.</param>
internal readonly record struct OperationWork(long Bytes, long MultiplyAdds = 0)
{
    /// <summary>Its matmuls.</summary>
    public IEnumerable<MatmulProblem> Matmuls { get; init; } = [];
}
