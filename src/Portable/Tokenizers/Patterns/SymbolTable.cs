using System.Runtime.InteropServices;
using Portable.Tokenizers.Unicode;

namespace Portable.Tokenizers.Patterns;

/// <summary>
/// Code points that a pattern does not tell apart are one symbol. Symbols are 0 … <see cref="Edge"/> − 1; the edge of a text
/// is the symbol behind them.
/// </summary>
internal sealed class SymbolTable
{
    private const int PageSize = 256;

    private readonly ushort[] _pages = new ushort[(CodePointSet.Last + 1) / PageSize];
    private readonly ushort[] _symbols;
    private readonly bool[][] _members;
    private readonly IReadOnlyList<CodePointSet> _sets;

    public SymbolTable(IReadOnlyList<CodePointSet> sets)
    {
        _sets = sets;
        SortedSet<int> bounds = [0, CodePointSet.Last + 1];
        foreach (CodePointSet set in sets)
        {
            bounds.UnionWith(set.Bounds.ToArray());
        }

        Dictionary<string, ushort> known = [];
        List<bool[]> members = [];
        ushort[] all = new ushort[CodePointSet.Last + 1];
        int start = 0;
        foreach (int end in bounds.Skip(1))
        {
            bool[] memberships = [.. sets.Select(s => s.Contains(start))];
            string key = string.Create(memberships.Length, memberships, (span, m) =>
            {
                for (int i = 0; i < m.Length; i++)
                {
                    span[i] = m[i] ? '1' : '0';
                }
            });
            if (!known.TryGetValue(key, out ushort symbol))
            {
                known.Add(key, symbol = checked((ushort)members.Count));
                members.Add(memberships);
            }

            all.AsSpan(start, end - start).Fill(symbol);
            start = end;
        }

        _members = [.. members];
        List<ushort> symbols = [];
        Dictionary<string, ushort> pages = [];
        for (int page = 0; page < _pages.Length; page++)
        {
            ReadOnlySpan<ushort> content = all.AsSpan(page * PageSize, PageSize);
            string key = new(MemoryMarshal.Cast<ushort, char>(content));
            if (!pages.TryGetValue(key, out _pages[page]))
            {
                _pages[page] = (ushort)(symbols.Count / PageSize);
                pages.Add(key, _pages[page]);
                symbols.AddRange(content);
            }
        }

        _symbols = [.. symbols];
    }

    /// <summary>The symbol of the edge of a text; also how many other symbols there are.</summary>
    public int Edge => _members.Length;

    /// <summary>Whether a symbol, which is not the edge, belongs to a set.</summary>
    public bool Contains(int set, int symbol) => _members[symbol][set];

    /// <summary>Whether a symbol, which may be the edge, may stand beside a boundary.</summary>
    public bool Contains(Neighbor neighbor, int symbol)
    {
        if (symbol == Edge)
        {
            return neighbor.Edge;
        }

        int set = 0;
        while (!_sets[set].Bounds.SequenceEqual(neighbor.Set.Bounds))
        {
            set++;
        }

        return _members[symbol][set];
    }

    /// <summary>The symbol of the character at an index, and how many UTF-16 units it has.</summary>
    public int At(ReadOnlySpan<char> text, int index, out int length)
    {
        int c = text[index];
        length = 1;
        if (char.IsHighSurrogate((char)c) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]))
        {
            c = char.ConvertToUtf32((char)c, text[index + 1]);
            length = 2;
        }

        return _symbols[(_pages[c / PageSize] * PageSize) + (c % PageSize)];
    }

    /// <summary>The symbol of the character that ends in front of an index, or the edge.</summary>
    public int Before(ReadOnlySpan<char> text, int index, out int length)
    {
        length = 0;
        return index == 0 ? Edge : At(text, index > 1 && char.IsLowSurrogate(text[index - 1]) && char.IsHighSurrogate(text[index - 2]) ? index - 2 : index - 1, out length);
    }
}
