using Portable.Models;
using Portable.Quantization.Baselines;
using Portable.Reference.Blocks;

namespace Portable.Quantization.FlattenQuant;

/// <summary>
/// The trials of a block, and which of o's and down's inputs are smoothed into v's and up's rows by them: where the two groups
/// concerned lose less together. Folding evens out the input's channels but not always the rows of the matrix before, which
/// has one scale.
/// </summary>
/// <remarks>
/// Folding o concerns the inputs of attention and o alone, folding down those of the MLP and down. So two trials, all folded
/// and none, hold every combination, and the choice costs no third.
/// </remarks>
internal sealed class FoldingTrials
{
    private static readonly HashSet<BlockInput> None = [];
    private readonly HashSet<BlockInput> _all;
    private readonly Func<IReadOnlySet<BlockInput>, int, FlattenTrial> _create;
    private readonly Dictionary<(bool Folded, int Bits), FlattenTrial> _trials = [];

    public FoldingTrials(BlockLayout layout, FlattenSettings settings, Func<IReadOnlySet<BlockInput>, int, FlattenTrial> create)
    {
        _create = create;
        _all = [.. ((BlockInput[])[BlockInput.Output, BlockInput.Down]).Where(input => ScaledBlock.Folds(layout, input))];
        Folded = settings.FoldWhere switch
        {
            "on" => _all,
            "off" => None,
            _ => _all.Where(input => Loss(true, input, settings.Mixed ? 4 : 8) < Loss(false, input, settings.Mixed ? 4 : 8)).ToHashSet(),
        };
    }

    /// <summary>Output and Down, where they are folded; neither where an activation lets no factor through.</summary>
    public IReadOnlySet<BlockInput> Folded { get; }

    /// <summary>The trial that holds an input's ranges at a width.</summary>
    public FlattenTrial Of(BlockInput input, int bits) => Trial(Folded.Contains(Folding(input)), bits);

    private static BlockInput Folding(BlockInput input) => input is BlockInput.Attention or BlockInput.Output ? BlockInput.Output : BlockInput.Down;

    private double Loss(bool folded, BlockInput folding, int bits) =>
        BlockInputs.All.Where(i => Folding(i) == folding).Select(i => Trial(folded, bits).Compare(i).Error).Sum(e => e * e);

    private FlattenTrial Trial(bool folded, int bits)
    {
        if (!_trials.TryGetValue((folded, bits), out FlattenTrial? trial))
        {
            trial = _create(folded ? _all : None, bits);
            _trials.Add((folded, bits), trial);
        }

        return trial;
    }
}
