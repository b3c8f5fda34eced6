using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>Planes of 64 codes to 64 bytes by one byte permutation and one 8×8 bit transposition per 64-bit lane.</summary>
internal static unsafe class GaloisExpansion
{
    private static readonly byte[] Orders = CreateOrders();

    /// <summary>The order of the byte permutation: lane j collects byte j of planes 0 … count − 1.</summary>
    /// <param name="count">Planes transposed together, 1…8; bits above them are undefined afterwards.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Order(int count) => Vector512.Create(Orders, (count - 1) * GroupLayout.BlockSize);

    /// <summary>Bytes whose bit p is plane p: byte 8j + i is the code of column 8j + i.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Transpose(Vector512<byte> planes, Vector512<byte> order)
    {
        // Byte i of each lane selects column i of the bit matrix.
        Vector512<byte> units = Vector512.Create(0x8040201008040201ul).AsByte();
        return Gfni.V512.GaloisFieldAffineTransform(units, Avx512Vbmi.PermuteVar64x8(planes, order), 0);
    }

    /// <summary>The sums of the lanes of each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<int> SumFour(Vector512<int> a, Vector512<int> b, Vector512<int> c, Vector512<int> d)
    {
        Vector512<long> ab = (Avx512F.UnpackLow(a, b) + Avx512F.UnpackHigh(a, b)).AsInt64(), cd = (Avx512F.UnpackLow(c, d) + Avx512F.UnpackHigh(c, d)).AsInt64();
        Vector512<int> all = Avx512F.UnpackLow(ab, cd).AsInt32() + Avx512F.UnpackHigh(ab, cd).AsInt32();
        Vector256<int> half = all.GetLower() + all.GetUpper();
        return half.GetLower() + half.GetUpper();
    }

    private static byte[] CreateOrders()
    {
        byte[] orders = new byte[8 * GroupLayout.BlockSize];
        for (int count = 1; count <= 8; count++)
        {
            for (int lane = 0; lane < 8; lane++)
            {
                for (int plane = 0; plane < 8; plane++)
                {
                    // The instruction takes bit p of its result from byte 7 − p of the matrix.
                    orders[(count - 1) * GroupLayout.BlockSize + lane * 8 + 7 - plane] = (byte)(plane < count ? plane * 8 + lane : lane);
                }
            }
        }

        return orders;
    }
}
