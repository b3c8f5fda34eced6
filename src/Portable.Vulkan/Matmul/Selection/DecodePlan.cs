namespace Portable.Vulkan.Matmul.Selection;

/// <summary>How a single row goes through the layers, where all of its operations can; each plan takes less time than the one before on devices that gain by it.</summary>
internal enum DecodePlan
{
    /// <summary>Preparations and products in dispatches of their own.</summary>
    Apart,

    /// <summary>Products that prepare their rows (shaders/matmul/gemv.comp).</summary>
    Fused,

    /// <summary>The same, each waiting for the one before without a barrier (shaders/include/links.glsl).</summary>
    Linked,
}
