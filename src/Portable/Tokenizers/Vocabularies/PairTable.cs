using System.Numerics;
using System.Runtime.CompilerServices;

namespace Portable.Tokenizers.Vocabularies;

/// <summary>Two numbers by a pair of non-negative numbers; open addressing. What is set again is replaced.</summary>
internal sealed class PairTable
{
    private ulong[] _keys;
    private (int First, int Second)[] _values;

    /// <summary>Makes room.</summary>
    /// <param name="expected">How many pairs are expected; more are welcome.</param>
    public PairTable(int expected = 128)
    {
        uint places = BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(expected, 16, 1 << 24) * 2);
        (_keys, _values) = (new ulong[places], new (int, int)[places]);
    }

    /// <summary>Number of pairs.</summary>
    public int Count { get; private set; }

    /// <summary>All pairs.</summary>
    public IEnumerable<(int Left, int Right, int First, int Second)> Entries
    {
        get
        {
            for (int i = 0; i < _keys.Length; i++)
            {
                if (_keys[i] != 0)
                {
                    yield return ((int)((_keys[i] - 1) >> 32), (int)(_keys[i] - 1), _values[i].First, _values[i].Second);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Set(int left, int right, int first, int second)
    {
        ulong key = Key(left, right);
        int slot = Slot(key);
        if (_keys[slot] == 0)
        {
            Count++;
        }

        (_keys[slot], _values[slot]) = (key, (first, second));
        if (Count * 2 > _keys.Length)
        {
            Rehash();
        }
    }

    public bool Contains(int left, int right) => TryGet(left, right, out _);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool TryGet(int left, int right, out (int First, int Second) value)
    {
        ulong key = Key(left, right);
        int slot = Slot(key);
        value = _values[slot];
        return _keys[slot] == key;
    }

    // 0 is a free slot.
    private static ulong Key(int left, int right) => (((ulong)(uint)left << 32) | (uint)right) + 1;

    private int Slot(ulong key)
    {
        int mask = _keys.Length - 1;
        ulong hash = key * 0x9E3779B97F4A7C15;
        int slot = (int)(hash >> 32) & mask;
        while (_keys[slot] != 0 && _keys[slot] != key)
        {
            slot = (slot + 1) & mask;
        }

        return slot;
    }

    private void Rehash()
    {
        (ulong[] keys, (int, int)[] values) = (_keys, _values);
        (_keys, _values) = (new ulong[keys.Length * 4], new (int, int)[keys.Length * 4]);
        for (int i = 0; i < keys.Length; i++)
        {
            if (keys[i] != 0)
            {
                int slot = Slot(keys[i]);
                (_keys[slot], _values[slot]) = (keys[i], values[i]);
            }
        }
    }
}
