using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.BitPlanes.Kernels;

namespace Portable.Reference.Benchmarking;

/// <summary>Loops that do one thing only: how fast an instruction sequence, or reading memory, can possibly go.</summary>
internal static class RegisterLoops
{
    private const int Chains = 10;
    private const int FloatChains = 12;

    // A value that the compiler cannot know.
    private static float s_seed = 1e-3f;

    /// <summary>Multiply-adds of one loop round of a dot operation.</summary>
    public static long MultiplyAddsPerRound<TDot, TRegister, V>()
        where TDot : struct, IDotOperation<V>
        where TRegister : struct, IRegister<V>
        where V : struct => (long)Chains * TRegister.Lanes * (TDot.Codes == LaneCodes.Words ? 2 : 4);

    /// <summary>Runs the sequence of byte operands: multiply and add. Where sums are 16 bits they are not widened, as those of narrow operands are not for many steps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe int Dot<TDot, TRegister, V>(long rounds)
        where TDot : struct, IDotOperation<V>
        where TRegister : struct, IRegister<V>
        where V : struct
    {
        // Ten independent chains of distinct products (equal ones would be computed once), with weights that change each
        // round (products of constants would be moved out of the loop).
        V a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default, i = default, j = default;
        V x0 = TRegister.Broadcast(0x01010101), x1 = TRegister.Broadcast(0x02010101), x2 = TRegister.Broadcast(0x01020101), x3 = TRegister.Broadcast(0x01010201), x4 = TRegister.Broadcast(0x01010102);
        int* weights = stackalloc int[3 * TRegister.Lanes];
        for (long round = 0; round < rounds; round++)
        {
            int* current = weights + (round & 1) * TRegister.Lanes;
            V w0 = TRegister.Load(current), w1 = TRegister.Load(current + TRegister.Lanes);
            a = TDot.MultiplyAdd(a, w0, x0);
            b = TDot.MultiplyAdd(b, w1, x0);
            c = TDot.MultiplyAdd(c, w0, x1);
            d = TDot.MultiplyAdd(d, w1, x1);
            e = TDot.MultiplyAdd(e, w0, x2);
            f = TDot.MultiplyAdd(f, w1, x2);
            g = TDot.MultiplyAdd(g, w0, x3);
            h = TDot.MultiplyAdd(h, w1, x3);
            i = TDot.MultiplyAdd(i, w0, x4);
            j = TDot.MultiplyAdd(j, w1, x4);
        }

        // Using every sum keeps the compiler from dropping its chain; without a call, or it would keep the sums in memory.
        V total = TDot.AddWidened(TDot.AddWidened(TDot.AddWidened(a, b), TDot.AddWidened(c, d)), TDot.AddWidened(TDot.AddWidened(e, f), TDot.AddWidened(g, h)));
        int* sums = stackalloc int[TRegister.Lanes];
        TRegister.Store(TDot.AddWidened(total, TDot.AddWidened(i, j)), sums);
        return sums[0];
    }

    /// <summary>Float lanes × 12 multiply-adds per round, of the vectors that float products take: fused, or as separate multiplication and addition.</summary>
    public static float Float(long rounds, bool fused) => (Vector512.IsHardwareAccelerated, fused) switch
    {
        (true, true) => Float<Simd512, Vector512<float>, FusedMultiplyAdd>(rounds),
        (true, false) => Float<Simd512, Vector512<float>, UnfusedMultiplyAdd>(rounds),
        (false, true) => Float<Simd256, Vector256<float>, FusedMultiplyAdd>(rounds),
        _ => Float<Simd256, Vector256<float>, UnfusedMultiplyAdd>(rounds),
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe float Float<TSimd, TVector, TAdd>(long rounds)
        where TSimd : ISimd<TVector>
        where TVector : struct
        where TAdd : IMultiplyAdd
    {
        TVector w = TSimd.Broadcast(s_seed), x = TSimd.Broadcast(1.5f);
        TVector a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
        for (long round = 0; round < rounds; round++)
        {
            a = TAdd.Apply<TSimd, TVector>(a, w, x);
            b = TAdd.Apply<TSimd, TVector>(b, w, x);
            c = TAdd.Apply<TSimd, TVector>(c, w, x);
            d = TAdd.Apply<TSimd, TVector>(d, w, x);
            e = TAdd.Apply<TSimd, TVector>(e, w, x);
            f = TAdd.Apply<TSimd, TVector>(f, w, x);
            g = TAdd.Apply<TSimd, TVector>(g, w, x);
            h = TAdd.Apply<TSimd, TVector>(h, w, x);
            i = TAdd.Apply<TSimd, TVector>(i, w, x);
            j = TAdd.Apply<TSimd, TVector>(j, w, x);
            k = TAdd.Apply<TSimd, TVector>(k, w, x);
            l = TAdd.Apply<TSimd, TVector>(l, w, x);
        }

        float* sums = stackalloc float[TSimd.Lanes];
        TVector total = TSimd.Add(TSimd.Add(TSimd.Add(a, b), TSimd.Add(c, d)), TSimd.Add(TSimd.Add(e, f), TSimd.Add(g, h)));
        TSimd.Store(sums, TSimd.Add(total, TSimd.Add(TSimd.Add(i, j), TSimd.Add(k, l))));
        return sums[0];
    }

    /// <summary>Multiply-adds of one round of <see cref="Float(long, bool)"/>.</summary>
    public static long FloatsPerRound => FloatChains * (Vector512.IsHardwareAccelerated ? Simd512.Lanes : Simd256.Lanes);

    /// <summary>Reads memory: the sum of a multiple of 32 words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe ulong Sum(ulong* start, long length)
    {
        Vector512<ulong> a = default, b = default, c = default, d = default;
        for (ulong* p = start; p < start + length; p += 32)
        {
            a += Vector512.Load(p);
            b += Vector512.Load(p + 8);
            c += Vector512.Load(p + 16);
            d += Vector512.Load(p + 24);
        }

        return Vector512.Sum(a + b + c + d);
    }
}
