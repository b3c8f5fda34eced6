using Portable.Reference.Blocks;

namespace Portable.Models;

/// <summary>The weights of one decoder block: the linears and norms that its layout has.</summary>
internal sealed class BlockWeights
{
    private readonly IReadOnlyDictionary<BlockNorm, NormWeights> _norms;
    private readonly IReadOnlyDictionary<BlockSlot, LinearWeights> _linears;

    private BlockWeights(BlockLayout layout, IReadOnlyDictionary<BlockNorm, NormWeights> norms, IReadOnlyDictionary<BlockSlot, LinearWeights> linears) =>
        (Layout, _norms, _linears) = (layout, norms, linears);

    /// <summary>The block.</summary>
    public BlockLayout Layout { get; }

    /// <summary>The linears in the order of the forward pass.</summary>
    public IEnumerable<LinearWeights> Linears => Layout.Slots.Select(s => _linears[s]);

    /// <summary>A linear.</summary>
    /// <exception cref="KeyNotFoundException">The layout has none there.</exception>
    public LinearWeights this[BlockSlot slot] => _linears[slot];

    /// <summary>A norm.</summary>
    /// <exception cref="KeyNotFoundException">The layout has none there.</exception>
    public NormWeights this[BlockNorm norm] => _norms[norm];

    /// <summary>Makes a block of what its layout asks for.</summary>
    /// <param name="layout">The block.</param>
    /// <param name="norm">Gives each norm.</param>
    /// <param name="linear">Gives each linear, in the order of the forward pass.</param>
    public static BlockWeights Create(BlockLayout layout, Func<BlockNorm, NormWeights> norm, Func<BlockSlot, LinearWeights> linear) =>
        new(layout, Each(layout.Norms, norm), Each(layout.Slots, linear));

    /// <summary>The linears that read an input.</summary>
    public IReadOnlyList<LinearWeights> Reading(BlockInput input) => [.. Layout.Reading(input).Select(s => _linears[s])];

    /// <summary>Replaces every linear.</summary>
    public BlockWeights MapLinears(Func<BlockSlot, LinearWeights, LinearWeights> map) => new(Layout, _norms, Each(Layout.Slots, s => map(s, _linears[s])));

    /// <summary>Replaces every linear.</summary>
    public BlockWeights MapLinears(Func<LinearWeights, LinearWeights> map) => MapLinears((_, linear) => map(linear));

    /// <summary>Replaces norms.</summary>
    public BlockWeights MapNorms(Func<BlockNorm, NormWeights, NormWeights> map) => new(Layout, Each(Layout.Norms, n => map(n, _norms[n])), _linears);

    private static Dictionary<TPlace, TWeights> Each<TPlace, TWeights>(IReadOnlyList<TPlace> places, Func<TPlace, TWeights> weights)
        where TPlace : struct
    {
        Dictionary<TPlace, TWeights> all = new(places.Count);
        for (int i = 0; i < places.Count; i++)
        {
            all.Add(places[i], weights(places[i]));
        }

        return all;
    }
}
