namespace Portable.Vulkan.Model;

/// <summary>The operations of the execution seam.</summary>
internal enum OperationKind
{
    Embed,
    Normalize,
    Prepare,
    Linear,
    LinearResidual,
    Attention,
    Gate,
    Relu,
    Logits,
}

/// <summary>
/// One call of the seam: what the executor notes between Begin and End and turns into commands once. Equal lists of
/// operations replay the same commands.
/// </summary>
/// <param name="Kind">The operation.</param>
/// <param name="Source">What it reads: an activation or an input.</param>
/// <param name="Weights">Table, norm, linear, rotary tables, or null.</param>
/// <param name="Other">Position table or cache, or null.</param>
/// <param name="Target">What it writes: an activation or an input.</param>
/// <param name="Number">Position offset, column or heads.</param>
internal readonly record struct Operation(OperationKind Kind, object? Source, object? Weights, object? Other, object? Target, int Number);
