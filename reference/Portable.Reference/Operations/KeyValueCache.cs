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
/// Appends to different positions may run concurrently.
/// </remarks>
internal sealed class KeyValueCache
{
    /// <summary>Positions per chunk; also the unit of the contract's output sums.</summary>
    public const int ChunkSize = 64;

    // Bytes past the last values that a whole panel of them may read.
    private const int Overrun = 256;

    private readonly byte[][] _keys, _values;

    /// <summary>Allocates the cache.</summary>
    /// <param name="sequences">Slots.</param>
    /// <param name="keyValueHeads">Key and value heads.</param>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="capacity">Positions per sequence.</param>
    /// <param name="bits">2…8, 16 or 32.</param>
    /// <param name="wraps">Whether later positions take the places of those <paramref name="capacity"/> before them, for attention with a window.</param>
    public KeyValueCache(int sequences, int keyValueHeads, int headSize, int capacity, int bits, bool wraps = false)
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
        Chunks = (capacity + ChunkSize - 1) / ChunkSize;
        ElementSize = bits switch { 32 => 4, 16 => 2, _ => 1 };
        int tokens = keyValueHeads * Chunks * ChunkSize, scales = bits <= 16 ? tokens : 0, zeroPoints = bits <= 8 ? tokens : 0;
        _keys = Allocate<byte>(sequences, checked(tokens * KeyWidth * ElementSize));
        _values = Allocate<byte>(sequences, checked(tokens * headSize * ElementSize + Overrun));
        KeyScales = Allocate<float>(sequences, scales);
        ValueScales = Allocate<float>(sequences, scales);
        KeyZeroPoints = Allocate<byte>(sequences, zeroPoints);
        ValueZeroPoints = Allocate<byte>(sequences, zeroPoints);
    }

    /// <summary>Bytes of a cache of such arguments: keys, values, scales and zero points.</summary>
    public static long BytesOf(int sequences, int keyValueHeads, int headSize, int capacity, int bits)
    {
        long tokens = (long)keyValueHeads * ((capacity + ChunkSize - 1) / ChunkSize) * ChunkSize;
        long width = (bits == 16 ? (headSize + 1) / 2 * 2 : headSize) + headSize;
        return sequences * ((tokens * ((width * (bits switch { 32 => 4, 16 => 2, _ => 1 })) + (bits <= 16 ? 8 : 0) + (bits <= 8 ? 2 : 0))) + Overrun);
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

    /// <summary>Where the chunk of positions 64·<paramref name="chunk"/> … lies.</summary>
    internal int PlaceOf(int chunk) => chunk % Chunks;

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
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)sequence, (uint)Sequences);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)position, Wraps ? int.MaxValue : (uint)Capacity);
        position = Wraps ? position % (Chunks * ChunkSize) : position;
        for (int head = 0; head < KeyValueHeads; head++)
        {
            ReadOnlySpan<float> key = keys.Slice(head * HeadSize, HeadSize), value = values.Slice(head * HeadSize, HeadSize);
            Span<byte> keyChunk = KeyChunk(sequence, head, position / ChunkSize), valueChunk = ValueChunk(sequence, head, position / ChunkSize);
            int lane = position % ChunkSize;
            switch (Bits)
            {
                case 32:
                    value.CopyTo(MemoryMarshal.Cast<byte, float>(valueChunk).Slice(lane * HeadSize, HeadSize));
                    Scatter(key, MemoryMarshal.Cast<byte, float>(keyChunk), lane);
                    break;
                case 16:
                    AppendDigits(sequence, head * Chunks * ChunkSize + position, key, value, MemoryMarshal.Cast<byte, short>(keyChunk), MemoryMarshal.Cast<byte, short>(valueChunk), lane);
                    break;
                default:
                    AppendCodes(sequence, head * Chunks * ChunkSize + position, key, value, keyChunk, valueChunk, lane);
                    break;
            }
        }
    }

    /// <summary>Gives one sequence what another holds of its first positions; what lies behind them in their last chunk is not to be read.</summary>
    /// <param name="source">The slot to copy from.</param>
    /// <param name="target">The slot to copy to.</param>
    /// <param name="positions">1 … capacity.</param>
    /// <exception cref="InvalidOperationException">The cache wraps: first positions may have been given up.</exception>
    public void CopyStart(int source, int target, int positions)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)source, (uint)Sequences);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)target, (uint)Sequences);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)positions, (uint)Capacity);
        if (Wraps)
        {
            throw new InvalidOperationException("A cache that wraps may have given up its first positions.");
        }

        int tokens = (positions + ChunkSize - 1) / ChunkSize * ChunkSize;
        for (int head = 0; head < KeyValueHeads; head++)
        {
            Copy(_keys, KeyWidth * ElementSize, head);
            Copy(_values, HeadSize * ElementSize, head);
            Copy(KeyScales, 1, head);
            Copy(ValueScales, 1, head);
            Copy(KeyZeroPoints, 1, head);
            Copy(ValueZeroPoints, 1, head);
        }

        void Copy<T>(T[][] elements, int width, int head)
        {
            if (elements[source].Length > 0)
            {
                elements[source].AsSpan(head * Chunks * ChunkSize * width, tokens * width).CopyTo(elements[target].AsSpan(head * Chunks * ChunkSize * width));
            }
        }
    }

    /// <summary>Elements of a chunk of keys.</summary>
    internal Span<byte> KeyChunk(int sequence, int head, int chunk) => Chunk(_keys[sequence], KeyWidth, head, chunk);

    /// <summary>Elements of a chunk of values.</summary>
    internal Span<byte> ValueChunk(int sequence, int head, int chunk) => Chunk(_values[sequence], HeadSize, head, chunk);

    private void AppendDigits(int sequence, int token, ReadOnlySpan<float> key, ReadOnlySpan<float> value, Span<short> keyChunk, Span<short> valueChunk, int lane)
    {
        Span<int> codes = stackalloc int[HeadSize];
        KeyScales[sequence][token] = DigitCodes.Quantize(key, codes);
        for (int d = 0; d < codes.Length; d++)
        {
            keyChunk[(d / 2 * ChunkSize + lane) * 2 + d % 2] = (short)codes[d];
        }

        ValueScales[sequence][token] = DigitCodes.Quantize(value, codes);
        for (int d = 0; d < codes.Length; d++)
        {
            valueChunk[(lane / 2 * HeadSize + d) * 2 + lane % 2] = (short)codes[d];
        }
    }

    private void AppendCodes(int sequence, int token, ReadOnlySpan<float> key, ReadOnlySpan<float> value, Span<byte> keyChunk, Span<byte> valueChunk, int lane)
    {
        Span<int> codes = stackalloc int[HeadSize];
        (KeyScales[sequence][token], int keyZero) = ActivationRounding.Asymmetric(key, Bits, codes);
        for (int d = 0; d < codes.Length; d++)
        {
            keyChunk[d * ChunkSize + lane] = (byte)codes[d];
        }

        (ValueScales[sequence][token], int valueZero) = ActivationRounding.Asymmetric(value, Bits, codes);
        for (int d = 0; d < codes.Length; d++)
        {
            valueChunk[lane * HeadSize + d] = (byte)codes[d];
        }

        KeyZeroPoints[sequence][token] = (byte)keyZero;
        ValueZeroPoints[sequence][token] = (byte)valueZero;
    }

    private static void Scatter<T>(ReadOnlySpan<T> values, Span<T> chunk, int lane)
    {
        for (int d = 0; d < values.Length; d++)
        {
            chunk[d * ChunkSize + lane] = values[d];
        }
    }

    private Span<byte> Chunk(byte[] elements, int width, int head, int chunk)
    {
        int size = ChunkSize * width * ElementSize;
        return elements.AsSpan((head * Chunks + chunk) * size, size);
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
