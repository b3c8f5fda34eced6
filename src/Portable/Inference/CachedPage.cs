using System.Runtime.InteropServices;

namespace Portable.Inference;

/// <summary>A page in the tree of what a cache holds: the path from the root is the text that its keys and values belong to.</summary>
/// <param name="parent">The page before it; null = the root of an owner, which is no page.</param>
/// <param name="page">Number of the page.</param>
internal sealed class CachedPage(CachedPage? parent, int page)
{
    /// <summary>Pages that follow it in one text or another.</summary>
    public List<CachedPage> Next { get; } = [];

    public CachedPage? Parent { get; set; } = parent;

    public int Page => page;

    /// <summary>Token ids whose keys and values it holds, at most 64; it grows while one text has it, and is shared when it is full.</summary>
    public List<int> Tokens { get; } = [];

    /// <summary>Texts under way that have it.</summary>
    public int Users { get; set; }

    /// <summary>When it was last given back.</summary>
    public long Used { get; set; }

    /// <summary>Whether it may be given to another text.</summary>
    public bool IsFreeToGo => Users == 0 && Next.Count == 0 && Parent is not null;

    /// <summary>How much of a text it holds.</summary>
    public int CommonWith(ReadOnlySpan<int> text) => CollectionsMarshal.AsSpan(Tokens).CommonPrefixLength(text);
}
