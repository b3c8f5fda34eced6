using Portable.Checkpoints.Safetensors;
using Portable.Models;
using Portable.Models.Architectures;

namespace Portable.Checkpoints.Format;

/// <summary>The tensors of a norm in a quantized checkpoint: gain, and bias where it has one.</summary>
internal static class NormTensors
{
    /// <summary>Checks presence, types and shapes.</summary>
    public static void Require(TensorReader reader, NormName norm)
    {
        reader.RequireFloat(norm.Name + ".weight", norm.Width);
        if (norm.HasBias)
        {
            reader.RequireFloat(norm.Name + ".bias", norm.Width);
        }
    }

    /// <summary>Reads values.</summary>
    public static NormWeights Read(SafetensorsFile file, NormName norm) =>
        new(TensorReader.Vector(file, norm.Name + ".weight"), norm.HasBias ? TensorReader.Vector(file, norm.Name + ".bias") : null);
}
