namespace Portable.Checkpoints.Safetensors;

/// <summary>A tensor of a safetensors file.</summary>
/// <param name="Name">Name, unique in the file.</param>
/// <param name="Type">Element type.</param>
/// <param name="Shape">Dimensions, outermost first; empty for a scalar.</param>
/// <param name="Offset">First byte, counted from the beginning of the file.</param>
/// <param name="Length">Bytes: the product of the shape times the size of an element.</param>
internal sealed record TensorInfo(string Name, TensorType Type, IReadOnlyList<long> Shape, long Offset, long Length)
{
    /// <summary>The shape as messages show it, for example [2048, 256].</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";

    /// <summary>Whether the tensor has exactly these dimensions.</summary>
    public bool HasShape(params ReadOnlySpan<long> shape)
    {
        if (Shape.Count != shape.Length)
        {
            return false;
        }

        for (int i = 0; i < shape.Length; i++)
        {
            if (Shape[i] != shape[i])
            {
                return false;
            }
        }

        return true;
    }
}
