using System.Runtime.InteropServices;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;

namespace Portable.Models;

/// <summary>What synthetic models have of floats.</summary>
internal static class SyntheticTable
{
    /// <summary>Random halves of both signs and magnitude 0.016 … 0.031.</summary>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="start">First number of the counter that they are made from.</param>
    /// <param name="type">f16 or bf16.</param>
    public static FloatTable Halves(int rows, int columns, ulong start, ElementType type = ElementType.Float16)
    {
        bool brain = type == ElementType.BFloat16;
        int bytes = checked(2 * rows * columns);
        byte[] data = new byte[checked(bytes + 7) / 8 * 8];
        SyntheticLinear.Fill(MemoryMarshal.Cast<byte, ulong>(data.AsSpan()), start);
        for (int i = 1; i < data.Length; i += 2)
        {
            // Random sign and mantissa, exponent 2^-6, whose last bit a bf16 has in its other byte.
            data[i] = (byte)(brain ? (data[i] & 0x80) | 0x3C : (data[i] & 0x83) | 0x24);
            data[i - 1] |= (byte)(brain ? 0x80 : 0);
        }

        return new FloatTable(rows, columns, type, data.AsMemory(0, bytes));
    }

    /// <summary>A norm whose gain is 1 and whose bias, if any, is 0.</summary>
    /// <param name="width">Values.</param>
    /// <param name="biased">Whether it has a bias.</param>
    public static NormWeights Norm(int width, bool biased)
    {
        float[] gain = new float[width];
        Array.Fill(gain, 1f);
        return new NormWeights(gain, biased ? new float[width] : null);
    }
}
