using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Portable.Tokenizers.Vocabularies;

/// <summary>
/// Tokens as UTF-8 and their ids: one pool of bytes and open addressing, made for hundreds of thousands of tokens that are read
/// at once. A token that is added again moves to its new id.
/// </summary>
internal sealed class TokenTable
{
    /// <summary>Ids from here on are refused: no vocabulary is so large, and arrays by id stay small.</summary>
    public const int MostIds = 16_777_216;

    private byte[] _pool = new byte[1 << 12];
    private int[] _ends = new int[1 << 8];
    private int[] _ids = new int[1 << 8];
    private int[] _slots;
    private int[] _entries = new int[1 << 8];

    /// <summary>Makes room.</summary>
    /// <param name="expected">How many tokens are expected; more are welcome.</param>
    public TokenTable(int expected = 512) => _slots = new int[BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(expected, 16, MostIds) * 2)];

    /// <summary>Number of tokens.</summary>
    public int Count { get; private set; }

    /// <summary>One more than the largest id.</summary>
    public int Size { get; private set; }

    /// <summary>The UTF-8 of an id's token; empty for an id without one.</summary>
    public ReadOnlySpan<byte> this[int id] => Entry(id) is >= 0 and int entry ? Token(entry) : [];

    /// <summary>Whether an id has a token.</summary>
    public bool Contains(int id) => Entry(id) >= 0;

    /// <summary>The text of an id's token, or null.</summary>
    public string? Text(int id) => Entry(id) is >= 0 and int entry ? Encoding.UTF8.GetString(Token(entry)) : null;

    /// <summary>Adds a token.</summary>
    /// <exception cref="FormatException">The id is out of range.</exception>
    public void Add(ReadOnlySpan<byte> token, long id)
    {
        if (id is < 0 or >= MostIds)
        {
            throw new FormatException($"token id {id} is out of range");
        }

        int slot = Slot(token), entry = _slots[slot] - 1;
        if (entry >= 0)
        {
            _entries[_ids[entry]] = 0;
        }
        else
        {
            entry = Count++;
            int start = entry == 0 ? 0 : _ends[entry - 1], end = checked(start + token.Length);
            Grow(ref _pool, end);
            Grow(ref _ends, Count);
            Grow(ref _ids, Count);
            token.CopyTo(_pool.AsSpan(start));
            _ends[entry] = end;
            _slots[slot] = Count;
            if (Count * 2 > _slots.Length)
            {
                Rehash();
            }
        }

        _ids[entry] = (int)id;
        Grow(ref _entries, (int)id + 1);
        _entries[id] = entry + 1;
        Size = Math.Max(Size, (int)id + 1);
    }

    /// <summary>The id of a token, or −1.</summary>
    public int Find(ReadOnlySpan<byte> token) => _slots[Slot(token)] is > 0 and int entry ? _ids[entry - 1] : -1;

    /// <summary>The id of a token, or −1.</summary>
    public int Find(string token) => Find(Encoding.UTF8.GetBytes(token));

    private int Entry(int id) => (uint)id < (uint)Size ? _entries[id] - 1 : -1;

    private ReadOnlySpan<byte> Token(int entry)
    {
        int start = entry == 0 ? 0 : _ends[entry - 1];
        return _pool.AsSpan(start, _ends[entry] - start);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Slot(ReadOnlySpan<byte> token)
    {
        int mask = _slots.Length - 1, slot = (int)Hash(token) & mask;
        while (_slots[slot] is > 0 and int entry && !Token(entry - 1).SequenceEqual(token))
        {
            slot = (slot + 1) & mask;
        }

        return slot;
    }

    private void Rehash()
    {
        _slots = new int[_slots.Length * 4];
        for (int entry = 0; entry < Count; entry++)
        {
            _slots[Slot(Token(entry))] = entry + 1;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static uint Hash(ReadOnlySpan<byte> token)
    {
        const ulong Factor = 0x9E3779B97F4A7C15;
        ulong hash = (ulong)token.Length * Factor;
        for (; token.Length > 8; token = token[8..])
        {
            hash = BitOperations.RotateLeft((hash ^ MemoryMarshal.Read<ulong>(token)) * Factor, 29);
        }

        // The rest as one word; its ends may overlap.
        ulong rest = token.Length switch
        {
            >= 4 => MemoryMarshal.Read<uint>(token) | ((ulong)MemoryMarshal.Read<uint>(token[^4..]) << 32),
            >= 1 => token[0] | ((ulong)token[token.Length / 2] << 8) | ((ulong)token[^1] << 16),
            _ => 0,
        };
        hash = (hash ^ rest) * Factor;
        hash = (hash ^ (hash >> 32)) * Factor;
        return (uint)(hash >> 32);
    }

    private static void Grow<T>(ref T[] array, int length)
    {
        if (length > array.Length)
        {
            Array.Resize(ref array, Math.Max(length, array.Length * 2));
        }
    }
}
