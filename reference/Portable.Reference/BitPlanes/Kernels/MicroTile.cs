using System.Runtime.CompilerServices;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>The register-tiled inner loop: up to 4 activation rows × 2 registers of channels, all sums in registers.</summary>
internal static unsafe class MicroTile<TDot, TRegister, V, TRows>
    where TDot : struct, IDotOperation<V>
    where TRegister : struct, IRegister<V>
    where TRows : struct, ICount
    where V : struct
{
    /// <summary>Rows that packed activations interleave.</summary>
    public const int RowStride = 4;

    /// <summary>sums (+)= panel × activations.</summary>
    /// <param name="w">[step][2 registers].</param>
    /// <param name="x">[step][4 rows], 32 bits each; the first row used.</param>
    /// <param name="steps">Steps of 32 bits.</param>
    /// <param name="deferral">Steps before 16-bit sums must be widened.</param>
    /// <param name="sums">[row × stride + channel].</param>
    /// <param name="stride">Of sums.</param>
    /// <param name="add">Add to sums instead of overwriting.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(byte* w, int* x, int steps, int deferral, int* sums, int stride, bool add)
    {
        int lanes = TRegister.Lanes, bytes = lanes * sizeof(int);
        V s00 = default, s01 = default, s10 = default, s11 = default, s20 = default, s21 = default, s30 = default, s31 = default;
        if (add)
        {
            s00 = TRegister.Load(sums);
            s01 = TRegister.Load(sums + lanes);
            if (TRows.Value > 1)
            {
                s10 = TRegister.Load(sums + stride);
                s11 = TRegister.Load(sums + stride + lanes);
            }

            if (TRows.Value > 2)
            {
                s20 = TRegister.Load(sums + 2 * stride);
                s21 = TRegister.Load(sums + 2 * stride + lanes);
                s30 = TRegister.Load(sums + 3 * stride);
                s31 = TRegister.Load(sums + 3 * stride + lanes);
            }
        }

        while (steps > 0)
        {
            int count = TDot.Defers ? Math.Min(steps, deferral) : steps;
            steps -= count;
            V p00 = s00, p01 = s01, p10 = s10, p11 = s11, p20 = s20, p21 = s21, p30 = s30, p31 = s31;
            if (TDot.Defers)
            {
                // The first step of 16-bit sums has nothing to be added to: one addition in eight with weights of 4 bits.
                V w0 = TRegister.Load(w), w1 = TRegister.Load(w + bytes);
                V x0 = TRegister.Broadcast(x[0]);
                p00 = TDot.MultiplyAdd(default, w0, x0);
                p01 = TDot.MultiplyAdd(default, w1, x0);
                if (TRows.Value > 1)
                {
                    V x1 = TRegister.Broadcast(x[1]);
                    p10 = TDot.MultiplyAdd(default, w0, x1);
                    p11 = TDot.MultiplyAdd(default, w1, x1);
                }

                if (TRows.Value > 2)
                {
                    V x2 = TRegister.Broadcast(x[2]);
                    p20 = TDot.MultiplyAdd(default, w0, x2);
                    p21 = TDot.MultiplyAdd(default, w1, x2);
                    V x3 = TRegister.Broadcast(x[3]);
                    p30 = TDot.MultiplyAdd(default, w0, x3);
                    p31 = TDot.MultiplyAdd(default, w1, x3);
                }

                w += 2 * bytes;
                x += RowStride;
                count--;
            }

            for (; count > 0; count--)
            {
                V w0 = TRegister.Load(w), w1 = TRegister.Load(w + bytes);
                V x0 = TRegister.Broadcast(x[0]);
                p00 = TDot.MultiplyAdd(p00, w0, x0);
                p01 = TDot.MultiplyAdd(p01, w1, x0);
                if (TRows.Value > 1)
                {
                    V x1 = TRegister.Broadcast(x[1]);
                    p10 = TDot.MultiplyAdd(p10, w0, x1);
                    p11 = TDot.MultiplyAdd(p11, w1, x1);
                }

                if (TRows.Value > 2)
                {
                    V x2 = TRegister.Broadcast(x[2]);
                    p20 = TDot.MultiplyAdd(p20, w0, x2);
                    p21 = TDot.MultiplyAdd(p21, w1, x2);
                    V x3 = TRegister.Broadcast(x[3]);
                    p30 = TDot.MultiplyAdd(p30, w0, x3);
                    p31 = TDot.MultiplyAdd(p31, w1, x3);
                }

                w += 2 * bytes;
                x += RowStride;
            }

            s00 = TDot.Defers ? TDot.AddWidened(s00, p00) : p00;
            s01 = TDot.Defers ? TDot.AddWidened(s01, p01) : p01;
            if (TRows.Value > 1)
            {
                s10 = TDot.Defers ? TDot.AddWidened(s10, p10) : p10;
                s11 = TDot.Defers ? TDot.AddWidened(s11, p11) : p11;
            }

            if (TRows.Value > 2)
            {
                s20 = TDot.Defers ? TDot.AddWidened(s20, p20) : p20;
                s21 = TDot.Defers ? TDot.AddWidened(s21, p21) : p21;
                s30 = TDot.Defers ? TDot.AddWidened(s30, p30) : p30;
                s31 = TDot.Defers ? TDot.AddWidened(s31, p31) : p31;
            }
        }

        TRegister.Store(s00, sums);
        TRegister.Store(s01, sums + lanes);
        if (TRows.Value > 1)
        {
            TRegister.Store(s10, sums + stride);
            TRegister.Store(s11, sums + stride + lanes);
        }

        if (TRows.Value > 2)
        {
            TRegister.Store(s20, sums + 2 * stride);
            TRegister.Store(s21, sums + 2 * stride + lanes);
            TRegister.Store(s30, sums + 3 * stride);
            TRegister.Store(s31, sums + 3 * stride + lanes);
        }
    }
}
