using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Portable.Reference.BitPlanes;

namespace Portable.Checkpoints.Format;

/// <summary>
/// W2*: codes 0…4 in base 5, three in seven bits, t = c₀ + 5·c₁ + 25·c₂ ≤ 124. The columns of a row, without padding, make a
/// little-endian bit string that ends at a whole byte: 2.375 bits per weight at K = 128. In memory they are three planes.
/// </summary>
internal sealed class FiveLevelStore : CodeStore
{
    // A triple to three bits of each plane: at bits 0, 20 and 40, so that four triples fit side by side, each shifted by three
    // bits more; 125…127 are no triples and set a bit above all of them.
    private const int PlaneStride = 20;
    private const ulong Invalid = 1UL << 52, AnyInvalid = ~0UL << 52, FourTriples = 0xFFF;

    // Of a register of 64 triples: 192 columns.
    private const int UnitBytes = 56, UnitWords = 9, TripleBits = 7;
    private const byte InvalidTriple = 0x80;

    private static readonly ulong[] Decode = CreateDecode();
    private static readonly FiveLevelTables Tables = new();

    public override string Name => "base5";

    public override long RowBytes(GroupLayout layout, CodeFormat format) => ((layout.Columns + 2) / 3 * 7L + 7) / 8;

    protected override void PackRow(ReadOnlySpan<ulong> words, RowBlocks blocks, int bits, Span<byte> row)
    {
        row.Clear();
        int triple = 0, digit = 1;
        long at = 0;
        for (int block = 0; block < blocks.Widths.Length; block++)
        {
            (ulong p0, ulong p1, ulong p2) = (words[3 * block], words[3 * block + 1], words[3 * block + 2]);
            for (int i = 0; i < blocks.Widths[block]; i++)
            {
                int code = (int)((p0 >> i) & 1 | ((p1 >> i) & 1) << 1 | ((p2 >> i) & 1) << 2);
                if (code > 4)
                {
                    throw new ArgumentException($"Code {code} is not one of the five levels 0…4.");
                }

                triple += digit * code;
                digit *= 5;
                if (digit == 125)
                {
                    Put(row, at, triple);
                    (triple, digit, at) = (0, 1, at + 7);
                }
            }
        }

        if (digit > 1)
        {
            Put(row, at, triple);
        }
    }

    protected override bool UnpackRow(ReadOnlySpan<byte> bytes, int rowBytes, RowBlocks blocks, int bits, Span<ulong> words)
    {
        if (blocks.Columns == 64 * blocks.Widths.Length)
        {
            return UnpackRun(bytes, rowBytes, words);
        }

        // As one run of bits without padding, then cut into blocks; a word behind the end serves the last cut.
        int length = 3 * ((blocks.Columns + 63) / 64);
        ulong[] run = ArrayPool<ulong>.Shared.Rent(length + 3);
        try
        {
            run.AsSpan(length, 3).Clear();
            bool valid = UnpackRun(bytes, rowBytes, run.AsSpan(0, length));
            int column = 0, index = 0;
            foreach (int width in blocks.Widths)
            {
                for (int plane = 0; plane < 3; plane++)
                {
                    words[index++] = Bits(run, plane, column) & RowBlocks.Mask(width);
                }

                column += width;
            }

            // Behind the last column only zeros are written.
            ulong stray = column % 64 == 0 ? 0 : Bits(run, 0, column) | Bits(run, 1, column) | Bits(run, 2, column);
            return valid && stray == 0;
        }
        finally
        {
            ArrayPool<ulong>.Shared.Return(run);
        }
    }

    /// <summary>Three planes of 64 columns at a time, without padding; seven bytes are eight triples, 24 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool UnpackRun(ReadOnlySpan<byte> bytes, int rowBytes, Span<ulong> run)
    {
        if (Avx512Vbmi.IsSupported)
        {
            return UnpackUnits(bytes, rowBytes, run);
        }

        ulong a0 = 0, a1 = 0, a2 = 0, invalid = 0;
        int fill = 0, word = 0;
        ReadOnlySpan<ulong> decode = Decode;
        for (int at = 0; at < rowBytes; at += 7)
        {
            ulong v = BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]) & RowBlocks.Mask(8 * Math.Min(7, rowBytes - at));
            ulong low = decode[(int)v & 127] | decode[(int)(v >> 7) & 127] << 3 | decode[(int)(v >> 14) & 127] << 6 | decode[(int)(v >> 21) & 127] << 9;
            ulong high = decode[(int)(v >> 28) & 127] | decode[(int)(v >> 35) & 127] << 3 | decode[(int)(v >> 42) & 127] << 6 | decode[(int)(v >> 49) & 127] << 9;
            invalid |= low | high;
            ulong v0 = (low & FourTriples) | (high & FourTriples) << 12;
            ulong v1 = (low >> PlaneStride & FourTriples) | (high >> PlaneStride & FourTriples) << 12;
            ulong v2 = (low >> (2 * PlaneStride) & FourTriples) | (high >> (2 * PlaneStride) & FourTriples) << 12;
            a0 |= v0 << fill;
            a1 |= v1 << fill;
            a2 |= v2 << fill;
            fill += 24;
            if (fill >= 64)
            {
                (run[word], run[word + 1], run[word + 2]) = (a0, a1, a2);
                word += 3;
                fill -= 64;
                (a0, a1, a2) = (v0 >> (24 - fill), v1 >> (24 - fill), v2 >> (24 - fill));
            }
        }

        if (word < run.Length)
        {
            (run[word], run[word + 1], run[word + 2]) = (a0, a1, a2);
            (a0, a1, a2) = (0, 0, 0);
        }

        return (invalid & AnyInvalid) == 0 && (a0 | a1 | a2) == 0;
    }

    /// <summary>The same, 64 triples at a time: a table gives what each has of the planes, multiply-adds put eight triples side by side, permutations make words of them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool UnpackUnits(ReadOnlySpan<byte> bytes, int rowBytes, Span<ulong> run)
    {
        FiveLevelTables tables = Tables;
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
            Vector512<byte> triples = Avx512Vbmi.MultiShift(shifts, Avx512Vbmi.PermuteVar64x8(packed, spread).AsUInt64()) & triple;
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

        return stray == 0 && (seen & Vector512.Create(InvalidTriple)) == Vector512<byte>.Zero;
    }

    /// <summary>Three bits of each byte side by side: 24 at the bottom of every eight bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<byte> Gather(Vector512<byte> bits, Vector512<sbyte> pairs, Vector512<short> fours)
    {
        Vector512<ulong> twelves = Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(bits, pairs), fours).AsUInt64();
        return (twelves | (twelves >>> 20)).AsByte();
    }

    /// <summary>64 bits of a plane of a run from a column on.</summary>
    private static ulong Bits(ReadOnlySpan<ulong> run, int plane, int column)
    {
        int index = (column / 64 * 3) + plane, shift = column % 64;
        return shift == 0 ? run[index] : run[index] >> shift | run[index + 3] << (64 - shift);
    }

    private static void Put(Span<byte> row, long at, int triple)
    {
        int value = triple << (int)(at & 7), index = (int)(at >> 3);
        row[index] |= (byte)value;
        if (value > 255)
        {
            row[index + 1] |= (byte)(value >> 8);
        }
    }

    private static ulong[] CreateDecode()
    {
        ulong[] table = new ulong[128];
        for (int triple = 0; triple < 128; triple++)
        {
            int rest = triple;
            for (int k = 0; k < 3; k++, rest /= 5)
            {
                for (int plane = 0; plane < 3; plane++)
                {
                    table[triple] |= (ulong)((rest % 5 >> plane) & 1) << ((PlaneStride * plane) + k);
                }
            }

            table[triple] |= triple < 125 ? 0 : Invalid;
        }

        return table;
    }

    /// <summary>What the registers of <see cref="UnpackUnits"/> look up.</summary>
    private sealed class FiveLevelTables
    {
        public FiveLevelTables()
        {
            for (int triple = 0; triple < 128; triple++)
            {
                (int a, int b, int c) = (triple % 5, triple / 5 % 5, triple / 25);
                int Plane(int p) => ((a >> p) & 1) | (((b >> p) & 1) << 1) | (((c >> p) & 1) << 2);
                Low[triple] = (byte)(Plane(0) | (Plane(1) << 3) | (triple < 125 ? 0 : InvalidTriple));
                Top[triple] = (byte)Plane(2);
            }

            for (int i = 0; i < 64; i++)
            {
                Spread[i] = (byte)Math.Min((i / 8 * TripleBits) + (i % 8), 63);
                Shifts[i] = (byte)(i % 8 * TripleBits);

                // Byte i of eight words: of plane word % 3, its byte of the 24 that every eight of a register have three of.
                int word = i / 8, plane = word % 3, at = Place((word / 3 * 8) + (i % 8));
                TwoPlanes[i] = (byte)(at + (plane == 1 ? 64 : 0));
                ThreePlanes[i] = (byte)(plane == 2 ? 64 + at : i);
                LastWord[i] = (byte)Place(16 + (i % 8));
            }
        }

        public byte[] Low { get; } = new byte[128];

        public byte[] Top { get; } = new byte[128];

        public byte[] Spread { get; } = new byte[64];

        public byte[] Shifts { get; } = new byte[64];

        public byte[] TwoPlanes { get; } = new byte[64];

        public byte[] ThreePlanes { get; } = new byte[64];

        public byte[] LastWord { get; } = new byte[64];

        private static int Place(int index) => (index / 3 * 8) + (index % 3);
    }
}
