using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>
/// Keys (after rotary) and values of one block for every sequence: f32 (unquantized models), 16-bit codes of two digits
/// (<see cref="DigitCodes"/>), or 2…8-bit codes quantized asymmetrically per token and head.
/// </summary>
/// <remarks>
/// Positions are cut into chunks of <see cref="ChunkSize"/>. Per sequence and head, elements lie
/// <code>
/// keys     [head][chunk][d][64 positions]      lanes of a score vector are positions
/// values   [head][chunk][64 positions][d]      lanes of an output vector are components
/// </code>
/// so that both products of attention read whole vectors; 16-bit codes in pairs along what is summed, as the products take them:
/// <code>
/// keys     [head][chunk][⌈d/2⌉][64 positions][2 components]      (the missing component of an odd size is 0)
/// values   [head][chunk][32 pairs of positions][d][2 positions]
/// </code>
/// A chunk is also a page: with a <see cref="PageTable"/>, pages belong to whichever sequence the table gives them to. Page p then lies
/// where chunk p mod chunks of sequence p ÷ chunks would lie without one. Appends to different positions may run concurrently.
/// </remarks>
internal sealed class KeyValueCache
{
    /// <summary>Positions per chunk; also the unit of the contract's output sums.</summary>
    public const int ChunkSize = 64;

    // Bytes past the last values that a whole panel of them may read.
    private const int Overrun = 256;

    // A vector that is read is a cache line and not two halves of two.
    private const int Alignment = 64;

    private readonly byte[][] _keys, _values;
    private readonly int[] _keyStarts, _valueStarts;
    private readonly PageTable? _pages;

    /// <summary>Allocates the cache.</summary>
    /// <param name="sequences">Slots.</param>
    /// <param name="keyValueHeads">Key and value heads.</param>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="capacity">Positions per sequence.</param>
    /// <param name="bits">2…8, 16 or 32.</param>
    /// <param name="wraps">Whether later positions take the places of those <paramref name="capacity"/> before them, for attention with a window.</param>
    /// <param name="pages">Which pages sequences have, of the same sequences and capacity; null = each its own. Not for a cache that wraps.</param>
    public KeyValueCache(int sequences, int keyValueHeads, int headSize, int capacity, int bits, bool wraps = false, PageTable? pages = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(keyValueHeads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(headSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        if (bits is (< 2 or > 8) and not 16 and not 32)
        {
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "A cache has 2 to 8 bits, 16, or 32.");
        }

        if (bits <= 8 && capacity > MaximumQuantizedCapacity)
        {
            throw new ArgumentOutOfRangeException(nameof(capacity), capacity, $"Σ of 16-bit probability codes is exact up to {MaximumQuantizedCapacity} positions.");
        }

        if (bits == 16 && (headSize > DigitCodes.MaximumHeadSize || capacity > DigitCodes.MaximumCapacity))
        {
            throw new ArgumentOutOfRangeException(nameof(headSize), headSize, $"A 16-bit cache takes heads of at most {DigitCodes.MaximumHeadSize} and {DigitCodes.MaximumCapacity} positions.");
        }

        (Sequences, KeyValueHeads, HeadSize, Capacity, Bits, Wraps) = (sequences, keyValueHeads, headSize, capacity, bits, wraps);
        Chunks = PageTable.ChunksOf(capacity);
        if (pages is not null && (wraps || pages.Sequences != sequences || pages.Chunks != Chunks))
        {
            throw new ArgumentException("The table of pages is of other sequences, or the cache wraps.", nameof(pages));
        }

        _pages = pages;
        int banks = pages is null ? sequences : BanksOf(pages.Pages, Chunks);
        ElementSize = bits switch { 32 => 4, 16 => 2, _ => 1 };
        int tokens = keyValueHeads * Chunks * ChunkSize, scales = bits <= 16 ? tokens : 0, zeroPoints = bits <= 8 ? tokens : 0;
        (_keys, _keyStarts) = AllocateAligned(banks, checked(tokens * KeyWidth * ElementSize));
        (_values, _valueStarts) = AllocateAligned(banks, checked(tokens * headSize * ElementSize + Overrun));
        KeyScales = Allocate<float>(banks, scales);
        ValueScales = Allocate<float>(banks, scales);
        KeyZeroPoints = Allocate<byte>(banks, zeroPoints);
        ValueZeroPoints = Allocate<byte>(banks, zeroPoints);
    }

    /// <summary>Bytes of a cache of such arguments: keys, values, scales and zero points; with pages, of as many whole sequences as hold them.</summary>
    public static long BytesOf(int sequences, int keyValueHeads, int headSize, int capacity, int bits, int pages = 0)
    {
        int chunks = PageTable.ChunksOf(capacity);
        long tokens = (long)keyValueHeads * chunks * ChunkSize;
        long width = (bits == 16 ? (headSize + 1) / 2 * 2 : headSize) + headSize;
        return (pages == 0 ? sequences : BanksOf(pages, chunks)) * ((tokens * ((width * (bits switch { 32 => 4, 16 => 2, _ => 1 })) + (bits <= 16 ? 8 : 0) + (bits <= 8 ? 2 : 0))) + Overrun);
    }

    /// <summary>The most positions of a sequence that a cache of such a shape takes: what its sums are exact for, and its arrays hold.</summary>
    public static int LongestCapacity(int keyValueHeads, int headSize, int bits)
    {
        long row = (long)keyValueHeads * (bits == 16 ? (headSize + 1) / 2 * 2 : headSize) * (bits switch { 32 => 4, 16 => 2, _ => 1 });
        long held = Math.Min((int.MaxValue / row) - 1, (Array.MaxLength - Overrun - Alignment) / row) / ChunkSize * ChunkSize;
        return (int)Math.Min(held, bits switch { 32 => int.MaxValue, 16 => DigitCodes.MaximumCapacity, _ => MaximumQuantizedCapacity });
    }

    /// <summary>The longest context of a quantized cache: Σ of 16-bit codes and both digit products stay within int32.</summary>
    public const int MaximumQuantizedCapacity = 32767;

    /// <summary>Slots.</summary>
    public int Sequences { get; }

    /// <summary>Key and value heads.</summary>
    public int KeyValueHeads { get; }

    /// <summary>Width of a head.</summary>
    public int HeadSize { get; }

    /// <summary>Positions per sequence.</summary>
    public int Capacity { get; }

    /// <summary>2…8, 16 or 32.</summary>
    public int Bits { get; }

    /// <summary>Whether later positions take the places of those a capacity (in whole chunks) before them.</summary>
    public bool Wraps { get; }

    internal int Chunks { get; }

    /// <summary>Where the chunk of positions 64·<paramref name="chunk"/> … of a sequence lies.</summary>
    internal CachePlace PlaceOf(int sequence, int chunk)
    {
        if (_pages is null)
        {
            return new CachePlace(sequence, chunk % Chunks);
        }

        int page = _pages[sequence, chunk];
        return new CachePlace(page / Chunks, page % Chunks);
    }

    /// <summary>Index of a head's first position in the scales and zero points of its place.</summary>
    internal int TokenOf(int head, CachePlace place) => ((head * Chunks) + place.Chunk) * ChunkSize;

    internal int ElementSize { get; }

    // 16-bit components are stored in pairs.
    private int KeyWidth => Bits == 16 ? (HeadSize + 1) / 2 * 2 : HeadSize;

    internal float[][] KeyScales { get; }

    internal float[][] ValueScales { get; }

    internal byte[][] KeyZeroPoints { get; }

    internal byte[][] ValueZeroPoints { get; }

    /// <summary>Stores one token's keys and values.</summary>
    /// <param name="sequence">Slot.</param>
    /// <param name="position">Position, 0 … capacity − 1, or any where the cache wraps.</param>
    /// <param name="keys">heads × head size, after rotary.</param>
    /// <param name="values">heads × head size.</param>
    public void Append(int sequence, int position, ReadOnlySpan<float> keys, ReadOnlySpan<float> values)
    {
        for (int head = 0; head < KeyValueHeads; head++)
        {
            Append(sequence, position, head, keys.Slice(head * HeadSize, HeadSize), values.Slice(head * HeadSize, HeadSize));
        }
    }

    /// <summary>Stores the key and the value of one head of one token.</summary>
    /// <param name="sequence">Slot.</param>
    /// <param name="position">Position, 0 … capacity − 1, or any where the cache wraps.</param>
    /// <param name="head">Key and value head.</param>
    /// <param name="key">Head size values, after rotary.</param>
    /// <param name="value">As many.</param>
    public void Append(int sequence, int position, int head, ReadOnlySpan<float> key, ReadOnlySpan<float> value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)sequence, (uint)Sequences);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)position, Wraps ? int.MaxValue : (uint)Capacity);
        CachePlace place = PlaceOf(sequence, position / ChunkSize);
        Span<byte> keyChunk = KeyChunk(head, place), valueChunk = ValueChunk(head, place);
        int lane = position % ChunkSize;
        switch (Bits)
        {
            case 32:
                value.CopyTo(MemoryMarshal.Cast<byte, float>(valueChunk).Slice(lane * HeadSize, HeadSize));
                Scatter(key, MemoryMarshal.Cast<byte, float>(keyChunk), lane);
                break;
            case 16:
                AppendDigits(place.Bank, TokenOf(head, place) + lane, key, value, keyChunk, valueChunk, lane);
                break;
            default:
                AppendCodes(place.Bank, TokenOf(head, place) + lane, key, value, keyChunk, valueChunk, lane);
                break;
        }
    }

    /// <summary>Gives a page what another holds; between passes.</summary>
    /// <param name="source">The page to copy from.</param>
    /// <param name="target">The page to copy to.</param>
    /// <exception cref="InvalidOperationException">The cache has no pages.</exception>
    public void CopyPage(int source, int target)
    {
        int pages = _pages?.Pages ?? throw new InvalidOperationException("The cache has no table of pages.");
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)source, (uint)pages);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)target, (uint)pages);
        CachePlace from = new(source / Chunks, source % Chunks), to = new(target / Chunks, target % Chunks);
        for (int head = 0; head < KeyValueHeads; head++)
        {
            KeyChunk(head, from).CopyTo(KeyChunk(head, to));
            ValueChunk(head, from).CopyTo(ValueChunk(head, to));
            Copy(KeyScales, head);
            Copy(ValueScales, head);
            Copy(KeyZeroPoints, head);
            Copy(ValueZeroPoints, head);
        }

        void Copy<T>(T[][] elements, int head)
        {
            if (elements[from.Bank].Length > 0)
            {
                elements[from.Bank].AsSpan(TokenOf(head, from), ChunkSize).CopyTo(elements[to.Bank].AsSpan(TokenOf(head, to)));
            }
        }
    }

    /// <summary>Elements of a chunk of keys.</summary>
    internal Span<byte> KeyChunk(int head, CachePlace place) => Chunk(_keys[place.Bank], _keyStarts[place.Bank], KeyWidth, head, place.Chunk);

    /// <summary>Elements of a chunk of values.</summary>
    internal Span<byte> ValueChunk(int head, CachePlace place) => Chunk(_values[place.Bank], _valueStarts[place.Bank], HeadSize, head, place.Chunk);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private unsafe void AppendDigits(int bank, int token, ReadOnlySpan<float> key, ReadOnlySpan<float> value, Span<byte> keyChunk, Span<byte> valueChunk, int lane)
    {
        // A pair more than the components of an odd size, and 0.
        Span<int> codes = stackalloc int[KeyWidth];
        codes[^1] = 0;
        KeyScales[bank][token] = DigitCodes.Quantize(key, codes[..HeadSize]);
        fixed (byte* keyBytes = keyChunk, valueBytes = valueChunk)
        {
            int* pair = (int*)keyBytes + lane;
            for (int d = 0; d < codes.Length; d += 2, pair += ChunkSize)
            {
                *pair = (codes[d] & 0xFFFF) | (codes[d + 1] << 16);
            }

            // The other position of a pair may be written by another thread meanwhile.
            ValueScales[bank][token] = DigitCodes.Quantize(value, codes[..HeadSize]);
            short* component = (short*)valueBytes + (lane / 2 * 2 * HeadSize) + (lane % 2);
            for (int d = 0; d < HeadSize; d++, component += 2)
            {
                *component = (short)codes[d];
            }
        }
    }

    private void AppendCodes(int bank, int token, ReadOnlySpan<float> key, ReadOnlySpan<float> value, Span<byte> keyChunk, Span<byte> valueChunk, int lane)
    {
        Span<int> codes = stackalloc int[HeadSize];
        (KeyScales[bank][token], int keyZero) = ActivationRounding.Asymmetric(key, Bits, codes);
        for (int d = 0; d < codes.Length; d++)
        {
            keyChunk[d * ChunkSize + lane] = (byte)codes[d];
        }

        (ValueScales[bank][token], int valueZero) = ActivationRounding.Asymmetric(value, Bits, codes);
        for (int d = 0; d < codes.Length; d++)
        {
            valueChunk[lane * HeadSize + d] = (byte)codes[d];
        }

        KeyZeroPoints[bank][token] = (byte)keyZero;
        ValueZeroPoints[bank][token] = (byte)valueZero;
    }

    private static int BanksOf(int pages, int chunks) => (pages + chunks - 1) / chunks;

    private static void Scatter<T>(ReadOnlySpan<T> values, Span<T> chunk, int lane)
    {
        for (int d = 0; d < values.Length; d++)
        {
            chunk[d * ChunkSize + lane] = values[d];
        }
    }

    private Span<byte> Chunk(byte[] elements, int start, int width, int head, int chunk)
    {
        int size = ChunkSize * width * ElementSize;
        return elements.AsSpan(start + ((head * Chunks) + chunk) * size, size);
    }

    // Pinned, so that they stay where they were aligned.
    private static unsafe (byte[][] Arrays, int[] Starts) AllocateAligned(int count, int length)
    {
        byte[][] arrays = new byte[count][];
        int[] starts = new int[count];
        for (int i = 0; i < count; i++)
        {
            arrays[i] = GC.AllocateArray<byte>(checked(length + Alignment), pinned: true);
            starts[i] = (int)(-(nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(arrays[i])) & (Alignment - 1));
        }

        return (arrays, starts);
    }

    // Zeroed and lazily committed by the operating system: unused positions cost address space only.
    private static T[][] Allocate<T>(int count, int length)
    {
        T[][] arrays = new T[count][];
        for (int i = 0; i < count; i++)
        {
            arrays[i] = new T[length];
        }

        return arrays;
    }
}

/// <summary>Where a chunk lies in a <see cref="KeyValueCache"/>.</summary>
/// <param name="Bank">Of the arrays, one for each sequence or as many pages as a sequence has.</param>
/// <param name="Chunk">In the array of each head.</param>
internal readonly record struct CachePlace(int Bank, int Chunk);
