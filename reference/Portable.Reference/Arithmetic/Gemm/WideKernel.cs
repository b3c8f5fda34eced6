using System.Runtime.CompilerServices;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>
/// The tiles of 6, 4 and 2 rows × 4 vectors. Where products are added in two instructions, a broadcast competes with the additions for
/// a port (Zen 4); here one broadcast serves four multiply-adds: measured 20 % faster than <see cref="MicroKernel.Six"/>. Two and four rows
/// are the digits of single queries: a row of keys of a chunk, 4 vectors of 16, goes by once and in the order of memory.
/// </summary>
internal static unsafe class WideKernel
{
    /// <summary>c[6 × 4 vectors] (+)= a[6 × k] · b[k × 4 vectors]; parameters as <see cref="MicroKernel.Six"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Six<TSimd, TVector, TAdd>(float* a, nint aStride, float* b, nint bStride, nint k, float* c, nint cStride, TileStart start, nint aStep = 1)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride, a4 = a3 + aStride, a5 = a4 + aStride;
        float* r1 = c + cStride, r2 = r1 + cStride, r3 = r2 + cStride, r4 = r3 + cStride, r5 = r4 + cStride;
        TVector c00 = TSimd.Broadcast(0f), c01 = TSimd.Broadcast(0f), c02 = TSimd.Broadcast(0f), c03 = TSimd.Broadcast(0f);
        TVector c10 = TSimd.Broadcast(0f), c11 = TSimd.Broadcast(0f), c12 = TSimd.Broadcast(0f), c13 = TSimd.Broadcast(0f);
        TVector c20 = TSimd.Broadcast(0f), c21 = TSimd.Broadcast(0f), c22 = TSimd.Broadcast(0f), c23 = TSimd.Broadcast(0f);
        TVector c30 = TSimd.Broadcast(0f), c31 = TSimd.Broadcast(0f), c32 = TSimd.Broadcast(0f), c33 = TSimd.Broadcast(0f);
        TVector c40 = TSimd.Broadcast(0f), c41 = TSimd.Broadcast(0f), c42 = TSimd.Broadcast(0f), c43 = TSimd.Broadcast(0f);
        TVector c50 = TSimd.Broadcast(0f), c51 = TSimd.Broadcast(0f), c52 = TSimd.Broadcast(0f), c53 = TSimd.Broadcast(0f);
        if (start == TileStart.Continue)
        {
            (c00, c01, c02, c03) = Load<TSimd, TVector>(c);
            (c10, c11, c12, c13) = Load<TSimd, TVector>(r1);
            (c20, c21, c22, c23) = Load<TSimd, TVector>(r2);
            (c30, c31, c32, c33) = Load<TSimd, TVector>(r3);
            (c40, c41, c42, c43) = Load<TSimd, TVector>(r4);
            (c50, c51, c52, c53) = Load<TSimd, TVector>(r5);
        }

        for (nint i = 0, end = k * aStep; i < end; i += aStep)
        {
            TVector b0 = TSimd.Load(b), b1 = TSimd.Load(b + TSimd.Lanes), b2 = TSimd.Load(b + 2 * TSimd.Lanes), b3 = TSimd.Load(b + 3 * TSimd.Lanes);
            b += bStride;
            TVector v = TSimd.Broadcast(a[i]);
            c00 = TAdd.Apply<TSimd, TVector>(v, b0, c00);
            c01 = TAdd.Apply<TSimd, TVector>(v, b1, c01);
            c02 = TAdd.Apply<TSimd, TVector>(v, b2, c02);
            c03 = TAdd.Apply<TSimd, TVector>(v, b3, c03);
            v = TSimd.Broadcast(a1[i]);
            c10 = TAdd.Apply<TSimd, TVector>(v, b0, c10);
            c11 = TAdd.Apply<TSimd, TVector>(v, b1, c11);
            c12 = TAdd.Apply<TSimd, TVector>(v, b2, c12);
            c13 = TAdd.Apply<TSimd, TVector>(v, b3, c13);
            v = TSimd.Broadcast(a2[i]);
            c20 = TAdd.Apply<TSimd, TVector>(v, b0, c20);
            c21 = TAdd.Apply<TSimd, TVector>(v, b1, c21);
            c22 = TAdd.Apply<TSimd, TVector>(v, b2, c22);
            c23 = TAdd.Apply<TSimd, TVector>(v, b3, c23);
            v = TSimd.Broadcast(a3[i]);
            c30 = TAdd.Apply<TSimd, TVector>(v, b0, c30);
            c31 = TAdd.Apply<TSimd, TVector>(v, b1, c31);
            c32 = TAdd.Apply<TSimd, TVector>(v, b2, c32);
            c33 = TAdd.Apply<TSimd, TVector>(v, b3, c33);
            v = TSimd.Broadcast(a4[i]);
            c40 = TAdd.Apply<TSimd, TVector>(v, b0, c40);
            c41 = TAdd.Apply<TSimd, TVector>(v, b1, c41);
            c42 = TAdd.Apply<TSimd, TVector>(v, b2, c42);
            c43 = TAdd.Apply<TSimd, TVector>(v, b3, c43);
            v = TSimd.Broadcast(a5[i]);
            c50 = TAdd.Apply<TSimd, TVector>(v, b0, c50);
            c51 = TAdd.Apply<TSimd, TVector>(v, b1, c51);
            c52 = TAdd.Apply<TSimd, TVector>(v, b2, c52);
            c53 = TAdd.Apply<TSimd, TVector>(v, b3, c53);
        }

        Store<TSimd, TVector>(c, c00, c01, c02, c03, start);
        Store<TSimd, TVector>(r1, c10, c11, c12, c13, start);
        Store<TSimd, TVector>(r2, c20, c21, c22, c23, start);
        Store<TSimd, TVector>(r3, c30, c31, c32, c33, start);
        Store<TSimd, TVector>(r4, c40, c41, c42, c43, start);
        Store<TSimd, TVector>(r5, c50, c51, c52, c53, start);
    }

    /// <summary>c[4 × 4 vectors] (+)= a[4 × k] · b[k × 4 vectors]; parameters as <see cref="MicroKernel.Six"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Four<TSimd, TVector, TAdd>(float* a, nint aStride, float* b, nint bStride, nint k, float* c, nint cStride, TileStart start, nint aStep = 1)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        float* a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride, r1 = c + cStride, r2 = r1 + cStride, r3 = r2 + cStride;
        TVector c00 = TSimd.Broadcast(0f), c01 = TSimd.Broadcast(0f), c02 = TSimd.Broadcast(0f), c03 = TSimd.Broadcast(0f);
        TVector c10 = TSimd.Broadcast(0f), c11 = TSimd.Broadcast(0f), c12 = TSimd.Broadcast(0f), c13 = TSimd.Broadcast(0f);
        TVector c20 = TSimd.Broadcast(0f), c21 = TSimd.Broadcast(0f), c22 = TSimd.Broadcast(0f), c23 = TSimd.Broadcast(0f);
        TVector c30 = TSimd.Broadcast(0f), c31 = TSimd.Broadcast(0f), c32 = TSimd.Broadcast(0f), c33 = TSimd.Broadcast(0f);
        if (start == TileStart.Continue)
        {
            (c00, c01, c02, c03) = Load<TSimd, TVector>(c);
            (c10, c11, c12, c13) = Load<TSimd, TVector>(r1);
            (c20, c21, c22, c23) = Load<TSimd, TVector>(r2);
            (c30, c31, c32, c33) = Load<TSimd, TVector>(r3);
        }

        for (nint i = 0, end = k * aStep; i < end; i += aStep)
        {
            TVector b0 = TSimd.Load(b), b1 = TSimd.Load(b + TSimd.Lanes), b2 = TSimd.Load(b + 2 * TSimd.Lanes), b3 = TSimd.Load(b + 3 * TSimd.Lanes);
            b += bStride;
            TVector v = TSimd.Broadcast(a[i]);
            c00 = TAdd.Apply<TSimd, TVector>(v, b0, c00);
            c01 = TAdd.Apply<TSimd, TVector>(v, b1, c01);
            c02 = TAdd.Apply<TSimd, TVector>(v, b2, c02);
            c03 = TAdd.Apply<TSimd, TVector>(v, b3, c03);
            v = TSimd.Broadcast(a1[i]);
            c10 = TAdd.Apply<TSimd, TVector>(v, b0, c10);
            c11 = TAdd.Apply<TSimd, TVector>(v, b1, c11);
            c12 = TAdd.Apply<TSimd, TVector>(v, b2, c12);
            c13 = TAdd.Apply<TSimd, TVector>(v, b3, c13);
            v = TSimd.Broadcast(a2[i]);
            c20 = TAdd.Apply<TSimd, TVector>(v, b0, c20);
            c21 = TAdd.Apply<TSimd, TVector>(v, b1, c21);
            c22 = TAdd.Apply<TSimd, TVector>(v, b2, c22);
            c23 = TAdd.Apply<TSimd, TVector>(v, b3, c23);
            v = TSimd.Broadcast(a3[i]);
            c30 = TAdd.Apply<TSimd, TVector>(v, b0, c30);
            c31 = TAdd.Apply<TSimd, TVector>(v, b1, c31);
            c32 = TAdd.Apply<TSimd, TVector>(v, b2, c32);
            c33 = TAdd.Apply<TSimd, TVector>(v, b3, c33);
        }

        Store<TSimd, TVector>(c, c00, c01, c02, c03, start);
        Store<TSimd, TVector>(r1, c10, c11, c12, c13, start);
        Store<TSimd, TVector>(r2, c20, c21, c22, c23, start);
        Store<TSimd, TVector>(r3, c30, c31, c32, c33, start);
    }

    /// <summary>c[2 × 4 vectors] (+)= a[2 × k] · b[k × 4 vectors]; parameters as <see cref="MicroKernel.Six"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Two<TSimd, TVector, TAdd>(float* a, nint aStride, float* b, nint bStride, nint k, float* c, nint cStride, TileStart start, nint aStep = 1)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        float* a1 = a + aStride, r1 = c + cStride;
        TVector c00 = TSimd.Broadcast(0f), c01 = TSimd.Broadcast(0f), c02 = TSimd.Broadcast(0f), c03 = TSimd.Broadcast(0f);
        TVector c10 = TSimd.Broadcast(0f), c11 = TSimd.Broadcast(0f), c12 = TSimd.Broadcast(0f), c13 = TSimd.Broadcast(0f);
        if (start == TileStart.Continue)
        {
            (c00, c01, c02, c03) = Load<TSimd, TVector>(c);
            (c10, c11, c12, c13) = Load<TSimd, TVector>(r1);
        }

        for (nint i = 0, end = k * aStep; i < end; i += aStep)
        {
            TVector b0 = TSimd.Load(b), b1 = TSimd.Load(b + TSimd.Lanes), b2 = TSimd.Load(b + 2 * TSimd.Lanes), b3 = TSimd.Load(b + 3 * TSimd.Lanes);
            b += bStride;
            TVector v = TSimd.Broadcast(a[i]);
            c00 = TAdd.Apply<TSimd, TVector>(v, b0, c00);
            c01 = TAdd.Apply<TSimd, TVector>(v, b1, c01);
            c02 = TAdd.Apply<TSimd, TVector>(v, b2, c02);
            c03 = TAdd.Apply<TSimd, TVector>(v, b3, c03);
            v = TSimd.Broadcast(a1[i]);
            c10 = TAdd.Apply<TSimd, TVector>(v, b0, c10);
            c11 = TAdd.Apply<TSimd, TVector>(v, b1, c11);
            c12 = TAdd.Apply<TSimd, TVector>(v, b2, c12);
            c13 = TAdd.Apply<TSimd, TVector>(v, b3, c13);
        }

        Store<TSimd, TVector>(c, c00, c01, c02, c03, start);
        Store<TSimd, TVector>(r1, c10, c11, c12, c13, start);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (TVector, TVector, TVector, TVector) Load<TSimd, TVector>(float* c)
        where TSimd : ISimd<TVector>
        where TVector : struct => (TSimd.Load(c), TSimd.Load(c + TSimd.Lanes), TSimd.Load(c + 2 * TSimd.Lanes), TSimd.Load(c + 3 * TSimd.Lanes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<TSimd, TVector>(float* c, TVector v0, TVector v1, TVector v2, TVector v3, TileStart start)
        where TSimd : ISimd<TVector>
        where TVector : struct
    {
        if (start == TileStart.Add)
        {
            v0 = TSimd.Add(TSimd.Load(c), v0);
            v1 = TSimd.Add(TSimd.Load(c + TSimd.Lanes), v1);
            v2 = TSimd.Add(TSimd.Load(c + 2 * TSimd.Lanes), v2);
            v3 = TSimd.Add(TSimd.Load(c + 3 * TSimd.Lanes), v3);
        }

        TSimd.Store(c, v0);
        TSimd.Store(c + TSimd.Lanes, v1);
        TSimd.Store(c + 2 * TSimd.Lanes, v2);
        TSimd.Store(c + 3 * TSimd.Lanes, v3);
    }
}
