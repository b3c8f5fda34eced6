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

    /// <summary>Decides what is folded.</summary>
    /// <param name="layout">Of the block.</param>
    /// <param name="settings">How.</param>
    /// <param name="create">Makes a trial of a set of folded inputs and a width.</param>
    /// <param name="concurrent">Whether the two trials that are compared run beside each other: one searches on the host while the other waits for a device.</param>
    public FoldingTrials(BlockLayout layout, FlattenSettings settings, Func<IReadOnlySet<BlockInput>, int, FlattenTrial> create, bool concurrent)
    {
        _create = create;
        _all = [.. ((BlockInput[])[BlockInput.Output, BlockInput.Down]).Where(input => ScaledBlock.Folds(layout, input))];
        int bits = settings.Mixed ? 4 : 8;
        if (concurrent && settings.FoldWhere == "auto" && _all.Count > 0)
        {
            CompareBoth(Trial(true, bits), Trial(false, bits));
        }

        Folded = settings.FoldWhere switch
        {
            "on" => _all,
            "off" => None,
            _ => _all.Where(input => Loss(true, input, bits) < Loss(false, input, bits)).ToHashSet(),
        };
    }

    /// <summary>Output and Down, where they are folded; neither where an activation lets no factor through.</summary>
    public IReadOnlySet<BlockInput> Folded { get; }

    /// <summary>The trial that holds an input's ranges at a width.</summary>
    public FlattenTrial Of(BlockInput input, int bits) => Trial(Folded.Contains(Folding(input)), bits);

    private static BlockInput Folding(BlockInput input) => input is BlockInput.Attention or BlockInput.Output ? BlockInput.Output : BlockInput.Down;

    private static void CompareBoth(FlattenTrial first, FlattenTrial second)
    {
        using OrderedWork aside = new(concurrent: true);
        aside.Run(() => Compare(first));
        Compare(second);
        aside.Finish();

        static void Compare(FlattenTrial trial)
        {
            foreach (BlockInput input in BlockInputs.All)
            {
                trial.Compare(input);
            }
        }
    }

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
