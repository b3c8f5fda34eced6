namespace Portable.Tokenizers.Vocabularies;

/// <summary>Byte strings with a value (0 or more) each, walked byte by byte.</summary>
internal sealed class ByteTrie
{
    /// <summary>The node of the empty string.</summary>
    public const int Root = 0;

    private readonly PairTable _children = new();
    private readonly List<int> _values = [-1];

    /// <summary>Adds a string; a later one of the same bytes replaces the value.</summary>
    public void Add(ReadOnlySpan<byte> key, int value)
    {
        int node = Root;
        foreach (byte b in key)
        {
            if (!_children.TryGet(node, b, out (int First, int) child))
            {
                child.First = _values.Count;
                _children.Set(node, b, child.First, 0);
                _values.Add(-1);
            }

            node = child.First;
        }

        _values[node] = value;
    }

    /// <summary>The node behind a byte, or −1.</summary>
    public int Next(int node, byte b) => _children.TryGet(node, b, out (int First, int) child) ? child.First : -1;

    /// <summary>The value of a node's string, or −1.</summary>
    public int Value(int node) => _values[node];

    /// <summary>The length of the longest string that <paramref name="text"/> begins with, or 0.</summary>
    public int LongestPrefix(ReadOnlySpan<byte> text)
    {
        int longest = 0, node = Root;
        for (int i = 0; i < text.Length && (node = Next(node, text[i])) >= 0; i++)
        {
            longest = _values[node] >= 0 ? i + 1 : longest;
        }

        return longest;
    }
}
