using Portable.Reference.Blocks;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>What queries and keys go through before they are quantized (constants of shaders/include/heads.glsl).</summary>
/// <param name="RotaryPairs">Pairs of a head that turn, 0 = none.</param>
/// <param name="QueryRotary">Whether queries have cosines and sines of their own.</param>
/// <param name="QueryKeyNorm">What their norms run over.</param>
/// <param name="NormEpsilon">ε of the norms.</param>
/// <param name="InverseQueryWidth">fl(1/values that a norm of queries runs over).</param>
/// <param name="InverseKeyWidth">The same of keys.</param>
internal readonly record struct HeadPreparation(int RotaryPairs, bool QueryRotary, QueryKeyNorm QueryKeyNorm, float NormEpsilon, float InverseQueryWidth, float InverseKeyWidth)
{
    /// <summary>Writes the constants.</summary>
    public void Specialize(SpecializationConstants constants)
    {
        constants.Set(19, RotaryPairs);
        constants.Set(20, QueryRotary);
        constants.Set(21, (uint)QueryKeyNorm);
        constants.Set(22, NormEpsilon);
        constants.Set(23, InverseQueryWidth);
        constants.Set(24, InverseKeyWidth);
    }
}
