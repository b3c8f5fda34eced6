using System.Runtime.CompilerServices;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>What a tile does with the outputs that are there.</summary>
internal enum TileStart
{
    /// <summary>c = Σ.</summary>
    Zero,

    /// <summary>The sum starts from c: a product continued over blocks of k.</summary>
    Continue,

    /// <summary>c = c + Σ, the sum itself starting from 0.</summary>
    Add,
}

/// <summary>
/// The register tiles of all float products: rows × 2 vectors of outputs, each output sequential in k. Rows of a are read
/// element by element and broadcast; b is a panel of k rows of 2 vectors.
/// </summary>
/// <remarks>
/// 12 accumulators, 2 vectors of b and one broadcast fit the 16 registers of 256-bit machines and cover the latency of 4
/// cycles at 2 per cycle; on 512-bit machines loads stay below arithmetic (8 for 12 multiply-adds).
/// </remarks>
internal static unsafe class MicroKernel
{
    /// <summary>Rows of the large tile.</summary>
    public const int Rows = 6;

    /// <summary>c[6 × 2 vectors] (+)= a[6 × k] · b[k × 2 vectors].</summary>
    /// <param name="rows">Valid rows of a, 1…6; the last one stands in for those that are missing.</param>
    /// <param name="a">First row of a; rows are <paramref name="aStride"/> elements apart.</param>
    /// <param name="aStride">Elements between rows of a.</param>
    /// <param name="b">First row of b.</param>
    /// <param name="bStride">Elements between rows of b.</param>
    /// <param name="k">Steps.</param>
    /// <param name="c">First row of c.</param>
    /// <param name="cStride">Elements between rows of c.</param>
    /// <param name="start">What becomes of c.</param>
    /// <param name="aStep">Elements between steps of a.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Six<TSimd, TVector, TAdd>(int rows, float* a, nint aStride, float* b, nint bStride, nint k, float* c, nint cStride, TileStart start, nint aStep = 1)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        TVector c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51;
        if (start == TileStart.Continue)
        {
            c00 = TSimd.Load(c);
            c01 = TSimd.Load(c + TSimd.Lanes);
            c10 = TSimd.Load(c + cStride);
            c11 = TSimd.Load(c + cStride + TSimd.Lanes);
            c20 = TSimd.Load(c + 2 * cStride);
            c21 = TSimd.Load(c + 2 * cStride + TSimd.Lanes);
            c30 = TSimd.Load(c + 3 * cStride);
            c31 = TSimd.Load(c + 3 * cStride + TSimd.Lanes);
            c40 = TSimd.Load(c + 4 * cStride);
            c41 = TSimd.Load(c + 4 * cStride + TSimd.Lanes);
            c50 = TSimd.Load(c + 5 * cStride);
            c51 = TSimd.Load(c + 5 * cStride + TSimd.Lanes);
        }
        else
        {
            c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = TSimd.Broadcast(0f);
        }

        float* a1 = rows > 1 ? a + aStride : a, a2 = rows > 2 ? a1 + aStride : a1, a3 = rows > 3 ? a2 + aStride : a2;
        float* a4 = rows > 4 ? a3 + aStride : a3, a5 = rows > 5 ? a4 + aStride : a4;
        for (nint i = 0, end = k * aStep; i < end; i += aStep)
        {
            TVector b0 = TSimd.Load(b), b1 = TSimd.Load(b + TSimd.Lanes);
            b += bStride;
            TVector v = TSimd.Broadcast(a[i]);
            c00 = TAdd.Apply<TSimd, TVector>(v, b0, c00);
            c01 = TAdd.Apply<TSimd, TVector>(v, b1, c01);
            v = TSimd.Broadcast(a1[i]);
            c10 = TAdd.Apply<TSimd, TVector>(v, b0, c10);
            c11 = TAdd.Apply<TSimd, TVector>(v, b1, c11);
            v = TSimd.Broadcast(a2[i]);
            c20 = TAdd.Apply<TSimd, TVector>(v, b0, c20);
            c21 = TAdd.Apply<TSimd, TVector>(v, b1, c21);
            v = TSimd.Broadcast(a3[i]);
            c30 = TAdd.Apply<TSimd, TVector>(v, b0, c30);
            c31 = TAdd.Apply<TSimd, TVector>(v, b1, c31);
            v = TSimd.Broadcast(a4[i]);
            c40 = TAdd.Apply<TSimd, TVector>(v, b0, c40);
            c41 = TAdd.Apply<TSimd, TVector>(v, b1, c41);
            v = TSimd.Broadcast(a5[i]);
            c50 = TAdd.Apply<TSimd, TVector>(v, b0, c50);
            c51 = TAdd.Apply<TSimd, TVector>(v, b1, c51);
        }

        if (start == TileStart.Add)
        {
            c00 = TSimd.Add(TSimd.Load(c), c00);
            c01 = TSimd.Add(TSimd.Load(c + TSimd.Lanes), c01);
            c10 = TSimd.Add(TSimd.Load(c + cStride), c10);
            c11 = TSimd.Add(TSimd.Load(c + cStride + TSimd.Lanes), c11);
            c20 = TSimd.Add(TSimd.Load(c + 2 * cStride), c20);
            c21 = TSimd.Add(TSimd.Load(c + 2 * cStride + TSimd.Lanes), c21);
            c30 = TSimd.Add(TSimd.Load(c + 3 * cStride), c30);
            c31 = TSimd.Add(TSimd.Load(c + 3 * cStride + TSimd.Lanes), c31);
            c40 = TSimd.Add(TSimd.Load(c + 4 * cStride), c40);
            c41 = TSimd.Add(TSimd.Load(c + 4 * cStride + TSimd.Lanes), c41);
            c50 = TSimd.Add(TSimd.Load(c + 5 * cStride), c50);
            c51 = TSimd.Add(TSimd.Load(c + 5 * cStride + TSimd.Lanes), c51);
        }

        TSimd.Store(c, c00);
        TSimd.Store(c + TSimd.Lanes, c01);
        TSimd.Store(c + cStride, c10);
        TSimd.Store(c + cStride + TSimd.Lanes, c11);
        TSimd.Store(c + 2 * cStride, c20);
        TSimd.Store(c + 2 * cStride + TSimd.Lanes, c21);
        TSimd.Store(c + 3 * cStride, c30);
        TSimd.Store(c + 3 * cStride + TSimd.Lanes, c31);
        TSimd.Store(c + 4 * cStride, c40);
        TSimd.Store(c + 4 * cStride + TSimd.Lanes, c41);
        TSimd.Store(c + 5 * cStride, c50);
        TSimd.Store(c + 5 * cStride + TSimd.Lanes, c51);
    }

    /// <summary>c[1 × 2 vectors] (+)= a[1 × k] · b[k × 2 vectors], for the rows that remain and for single tokens.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void One<TSimd, TVector, TAdd>(float* a, float* b, nint bStride, nint k, float* c, TileStart start, nint aStep = 1)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        bool load = start == TileStart.Continue;
        TVector c0 = load ? TSimd.Load(c) : TSimd.Broadcast(0f), c1 = load ? TSimd.Load(c + TSimd.Lanes) : TSimd.Broadcast(0f);
        for (nint i = 0, end = k * aStep; i < end; i += aStep)
        {
            TVector v = TSimd.Broadcast(a[i]);
            c0 = TAdd.Apply<TSimd, TVector>(v, TSimd.Load(b), c0);
            c1 = TAdd.Apply<TSimd, TVector>(v, TSimd.Load(b + TSimd.Lanes), c1);
            b += bStride;
        }

        if (start == TileStart.Add)
        {
            c0 = TSimd.Add(TSimd.Load(c), c0);
            c1 = TSimd.Add(TSimd.Load(c + TSimd.Lanes), c1);
        }

        TSimd.Store(c, c0);
        TSimd.Store(c + TSimd.Lanes, c1);
    }
}
