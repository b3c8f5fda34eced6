using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes;

/// <summary>Rows of <see cref="BaseFive"/> by registers of 64 triples, 192 columns. Needs AVX-512 VBMI.</summary>
internal static class BaseFiveUnits
{
    /// <summary>Bytes of 64 triples.</summary>
    public const int UnitBytes = 56;

    /// <summary>Columns of 64 triples.</summary>
    public const int UnitColumns = 192;

    private const int UnitWords = 9, Register = 64;

    /// <summary>Whether this process can.</summary>
    public static bool IsSupported => Avx512BW.IsSupported && Avx512Vbmi.IsSupported;

    /// <summary>64 triples, one a byte, below an undefined bit.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Triples(Vector512<byte> packed, Vector512<byte> spread, Vector512<byte> shifts) =>
        Avx512Vbmi.MultiShift(shifts, Avx512Vbmi.PermuteVar64x8(packed, spread).AsUInt64());

    /// <summary>The first row that holds something else than triples, or something behind its last column; −1 where none does.</summary>
    /// <param name="bytes">The rows, one behind the other, and whatever may be read behind them.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="rowBytes">Bytes of a row.</param>
    /// <param name="columns">K.</param>
    public static int FirstInvalid(ReadOnlySpan<byte> bytes, int rows, int rowBytes, int columns)
    {
        // Rows behind which a register can be read where they lie, the others with zeros behind them.
        int inPlace = Math.Min(rows, Math.Max(0, bytes.Length - Register) / rowBytes), bad = FirstInvalid(ref MemoryMarshal.GetReference(bytes), inPlace, rowBytes, columns);
        if (bad >= 0 || inPlace == rows)
        {
            return bad;
        }

        byte[] copy = new byte[((rows - inPlace) * rowBytes) + Register];
        bytes[(inPlace * rowBytes)..(rows * rowBytes)].CopyTo(copy);
        bad = FirstInvalid(ref copy[0], rows - inPlace, rowBytes, columns);
        return bad < 0 ? bad : inPlace + bad;
    }

    // No call stands in the loop, so that its constants stay in registers.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int FirstInvalid(ref byte first, int rows, int rowBytes, int columns)
    {
        BaseFiveTables tables = BaseFiveTables.Shared;
        Vector512<byte> spread = Vector512.Create(tables.Spread), shifts = Vector512.Create(tables.Shifts), triple = Vector512.Create((byte)127);
        // The first number that is no triple becomes the first that sets a byte's top bit.
        Vector512<byte> above = Vector512.Create((byte)3);
        int units = rowBytes / UnitBytes * UnitBytes;
        Vector512<byte> rest = Vector512.LessThan(Vector512<byte>.Indices, Vector512.Create((byte)(rowBytes - units)));

        // The last triple may be of fewer columns, and its last byte the row's.
        (int last, int inLast) = ((columns - 1) / BaseFive.TripleColumns * BaseFive.TripleBits, ((columns - 1) % BaseFive.TripleColumns) + 1);
        int lastByte = last / 8, lastShift = last % 8, end = inLast switch { 1 => 5, 2 => 25, _ => 125 }, lastMask = lastByte + 1 < rowBytes ? 0xFFFF : 0xFF;
        for (int row = 0; row < rows; row++)
        {
            ref byte source = ref Unsafe.Add(ref first, row * rowBytes);
            Vector512<byte> seen = (Triples(Vector512.LoadUnsafe(ref source, (nuint)units) & rest, spread, shifts) & triple) + above;
            for (int at = 0; at < units; at += UnitBytes)
            {
                seen |= (Triples(Vector512.LoadUnsafe(ref source, (nuint)at), spread, shifts) & triple) + above;
            }

            int value = (Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref source, lastByte)) & lastMask) >> lastShift;
            if (seen.ExtractMostSignificantBits() != 0 || value >= end)
            {
                return row;
            }
        }

        return -1;
    }

    /// <summary>Planes of a row without padding: a table gives what each triple has of them, multiply-adds put eight triples side by side, permutations make words.</summary>
    /// <param name="bytes">The row, and at least <see cref="BaseFive.Slack"/> bytes of anything behind it.</param>
    /// <param name="rowBytes">Bytes of the row.</param>
    /// <param name="run">Receives three planes of 64 columns, one after the other.</param>
    /// <returns>False where a triple is none, or something stands behind the last column.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Unpack(ReadOnlySpan<byte> bytes, int rowBytes, Span<ulong> run)
    {
        BaseFiveTables tables = BaseFiveTables.Shared;
        Vector512<byte> spread = Vector512.Create(tables.Spread), shifts = Vector512.Create(tables.Shifts), seven = Vector512.Create((byte)7), triple = Vector512.Create((byte)127);
        Vector512<byte> low0 = Vector512.Create(tables.Low, 0), low1 = Vector512.Create(tables.Low, 64), top0 = Vector512.Create(tables.Top, 0), top1 = Vector512.Create(tables.Top, 64);
        Vector512<byte> twoPlanes = Vector512.Create(tables.TwoPlanes), threePlanes = Vector512.Create(tables.ThreePlanes), lastWord = Vector512.Create(tables.LastWord);
        Vector512<sbyte> pairs = Vector512.Create((short)0x0801).AsSByte();
        Vector512<short> fours = Vector512.Create(0x00400001).AsInt16();
        Vector512<byte> seen = default;
        Span<byte> rest = stackalloc byte[Vector512<byte>.Count];
        Span<ulong> words = stackalloc ulong[UnitWords];
        ref byte source = ref MemoryMarshal.GetReference(bytes);
        ulong stray = 0;
        int word = 0;
        for (int at = 0; at < rowBytes; at += UnitBytes, word += UnitWords)
        {
            // Eight bytes behind the row can be read; what is behind its last unit must be zero.
            bool whole = rowBytes - at >= UnitBytes;
            if (!whole)
            {
                rest.Clear();
                bytes[at..rowBytes].CopyTo(rest);
            }

            Vector512<byte> packed = whole ? Vector512.LoadUnsafe(ref source, (nuint)at) : Vector512.LoadUnsafe(ref MemoryMarshal.GetReference(rest));
            Vector512<byte> triples = Triples(packed, spread, shifts) & triple;
            Vector512<byte> low = Avx512Vbmi.PermuteVar64x8x2(low0, triples, low1), top = Avx512Vbmi.PermuteVar64x8x2(top0, triples, top1);
            seen |= low;
            Vector512<byte> p0 = Gather(low & seven, pairs, fours), p1 = Gather((low.AsUInt16() >>> 3).AsByte() & seven, pairs, fours), p2 = Gather(top, pairs, fours);
            Vector512<byte> eight = Avx512Vbmi.PermuteVar64x8x2(Avx512Vbmi.PermuteVar64x8x2(p0, twoPlanes, p1), threePlanes, p2);
            ulong ninth = Avx512Vbmi.PermuteVar64x8(p2, lastWord).AsUInt64().ToScalar();
            if (word + UnitWords <= run.Length)
            {
                eight.AsUInt64().StoreUnsafe(ref MemoryMarshal.GetReference(run), (nuint)word);
                run[word + UnitWords - 1] = ninth;
                continue;
            }

            eight.AsUInt64().StoreUnsafe(ref MemoryMarshal.GetReference(words));
            words[UnitWords - 1] = ninth;
            int wanted = Math.Max(0, run.Length - word);
            words[..wanted].CopyTo(run[(run.Length - wanted)..]);
            for (int i = wanted; i < UnitWords; i++)
            {
                stray |= words[i];
            }
        }

        return stray == 0 && (seen & Vector512.Create(BaseFiveTables.InvalidTriple)) == Vector512<byte>.Zero;
    }

    /// <summary>Three bits of each byte side by side: 24 at the bottom of every eight bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Gather(Vector512<byte> bits, Vector512<sbyte> pairs, Vector512<short> fours)
    {
        Vector512<ulong> twelves = Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(bits, pairs), fours).AsUInt64();
        return (twelves | (twelves >>> 20)).AsByte();
    }
}
