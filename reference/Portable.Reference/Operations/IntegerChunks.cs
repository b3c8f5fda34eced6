using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Operations;

/// <summary>Chunks of a quantized cache as pairs of int16 (code − zero point) in 32-bit lanes.</summary>
internal static unsafe class IntegerChunks
{
    private const int ChunkSize = KeyValueCache.ChunkSize;

    /// <summary>Keys: [⌈d/2⌉][64 positions], component 2i in the low half; the missing component of an odd size is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LoadKeys(KeyValueCache cache, int head, CachePlace place, int* chunk)
    {
        ReadOnlySpan<byte> codes = cache.KeyChunk(head, place);
        ReadOnlySpan<byte> zeros = cache.KeyZeroPoints[place.Bank].AsSpan(cache.TokenOf(head, place), ChunkSize);
        for (int d = 0; d < cache.HeadSize; d += 2)
        {
            ReadOnlySpan<byte> low = codes.Slice(d * ChunkSize, ChunkSize), high = d + 1 < cache.HeadSize ? codes.Slice((d + 1) * ChunkSize, ChunkSize) : zeros;
            for (int t = 0; t < ChunkSize; t += 32)
            {
                Pair(low[t..], zeros[t..], high[t..], zeros[t..], chunk + d / 2 * ChunkSize + t);
            }
        }
    }

    /// <summary>Values: [32 pairs of positions][padded components], the even position in the low half.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void LoadValues(KeyValueCache cache, int head, CachePlace place, int padded, int* chunk)
    {
        ReadOnlySpan<byte> codes = cache.ValueChunk(head, place);
        ReadOnlySpan<byte> zeros = cache.ValueZeroPoints[place.Bank].AsSpan(cache.TokenOf(head, place), ChunkSize);
        Span<byte> lowZero = stackalloc byte[32], highZero = stackalloc byte[32];
        for (int t = 0; t < ChunkSize; t += 2)
        {
            ReadOnlySpan<byte> low = codes.Slice(t * cache.HeadSize, cache.HeadSize), high = codes.Slice((t + 1) * cache.HeadSize, cache.HeadSize);
            int* target = chunk + t / 2 * padded;
            lowZero.Fill(zeros[t]);
            highZero.Fill(zeros[t + 1]);
            int d = 0;
            for (; d <= cache.HeadSize - 32; d += 32)
            {
                Pair(low[d..], lowZero, high[d..], highZero, target + d);
            }

            for (; d < padded; d++)
            {
                target[d] = d < cache.HeadSize ? ((low[d] - zeros[t]) & 0xFFFF) | ((high[d] - zeros[t + 1]) << 16) : 0;
            }
        }
    }

    /// <summary>32 lanes of (low − low zero) and (high − high zero).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Pair(ReadOnlySpan<byte> low, ReadOnlySpan<byte> lowZeros, ReadOnlySpan<byte> high, ReadOnlySpan<byte> highZeros, int* target)
    {
        (Vector256<ushort> a0, Vector256<ushort> a1) = Vector256.Widen(Vector256.Create(low[..32]));
        (Vector256<ushort> z0, Vector256<ushort> z1) = Vector256.Widen(Vector256.Create(lowZeros[..32]));
        (Vector256<ushort> b0, Vector256<ushort> b1) = Vector256.Widen(Vector256.Create(high[..32]));
        (Vector256<ushort> y0, Vector256<ushort> y1) = Vector256.Widen(Vector256.Create(highZeros[..32]));
        Store(a0 - z0, b0 - y0, target);
        Store(a1 - z1, b1 - y1, target + 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<ushort> low, Vector256<ushort> high, int* target)
    {
        (Vector256<uint> a0, Vector256<uint> a1) = Vector256.Widen(low);
        (Vector256<uint> b0, Vector256<uint> b1) = Vector256.Widen(high);
        (a0 | (b0 << 16)).AsInt32().Store(target);
        (a1 | (b1 << 16)).AsInt32().Store(target + 8);
    }
}
