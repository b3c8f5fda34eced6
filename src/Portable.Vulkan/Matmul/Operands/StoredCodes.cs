using Portable.Reference.BitPlanes;

namespace Portable.Vulkan.Matmul.Operands;

/// <summary>
/// How codes become the signed bytes that every kernel multiplies: stored = code − offset. Zero points and sums carry the
/// difference, so the integers of the contract stay the same.
/// </summary>
internal static class StoredCodes
{
    /// <summary>Offset of a weight format: signed codes below 8 bits are stored without sign, unsigned 8-bit codes with one.</summary>
    public static int WeightOffset(CodeFormat format) =>
        format.Bits == 8 ? (format.Signed ? 0 : 128) : format.Signed ? format.Minimum : 0;

    /// <summary>Whether storing flips the top plane.</summary>
    public static bool FlipsTopPlane(CodeFormat format) => WeightOffset(format) != 0;

    /// <summary>Offset of an activation format, of the high digit where there are two; a low digit always has 128.</summary>
    public static int ActivationOffset(CodeFormat format) => format.Bits >= 8 && !format.Signed ? 128 : 0;
}
