using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>Planes of 64 codes to 64 bytes by one byte permutation and one 8×8 bit transposition per 64-bit lane.</summary>
internal readonly struct GaloisExpansion
{
    private readonly Vector512<byte> _gather;
    private readonly Vector512<byte> _gatherOne;
    private readonly Vector512<byte> _mask;
    private readonly Vector512<byte> _flip;

    /// <summary>Prepares the constants.</summary>
    /// <param name="format">Weight codes; signed ones have their top plane flipped.</param>
    /// <param name="fields">Blocks transposed together: fields × bits ≤ 8.</param>
    public GaloisExpansion(CodeFormat format, int fields)
    {
        _gather = Gather(format.Bits * fields);
        _gatherOne = Gather(format.Bits);
        _mask = Vector512.Create((byte)((1 << format.Bits) - 1));
        _flip = Vector512.Create((byte)(format.Signed ? 1 << (format.Bits - 1) : 0));
    }

    /// <summary>Bytes whose bits bits·f … bits·f + bits − 1 are the codes of block f.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<byte> TransposeAll(Vector512<byte> planes) => Transpose(planes, _gather);

    /// <summary>The codes of one block, with other bits above them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<byte> TransposeOne(Vector512<byte> planes) => Transpose(planes, _gatherOne);

    /// <summary>The codes at the given bit position: masked, and flipped where the weights are shifted.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<byte> Field(Vector512<byte> transposed, int shift) =>
        ((shift == 0 ? transposed : (transposed.AsUInt16() >>> shift).AsByte()) & _mask) ^ _flip;

    /// <summary>Bits as they are, flipped where the weights are shifted.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<byte> Flip(Vector512<byte> codes) => codes ^ _flip;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Transpose(Vector512<byte> planes, Vector512<byte> gather)
    {
        // Byte i of x selects column i of the bit matrix whose rows are the bytes of the lane, highest byte first.
        Vector512<byte> units = Vector512.Create(0x8040201008040201ul).AsByte();
        return Gfni.V512.GaloisFieldAffineTransform(units, Avx512Vbmi.PermuteVar64x8(planes, gather), 0);
    }

    // Lane j collects byte j of planes 0 … count − 1. The instruction's result bit p comes from matrix byte 7 − p.
    private static Vector512<byte> Gather(int count)
    {
        Span<byte> indices = stackalloc byte[64];
        for (int lane = 0; lane < 8; lane++)
        {
            for (int plane = 0; plane < 8; plane++)
            {
                indices[lane * 8 + 7 - plane] = (byte)(plane < count ? plane * 8 + lane : lane);
            }
        }

        return Vector512.Create<byte>(indices);
    }
}
