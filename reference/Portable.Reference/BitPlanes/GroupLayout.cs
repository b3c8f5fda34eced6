namespace Portable.Reference.BitPlanes;

/// <summary>
/// How the K columns of an operand are cut into scale groups and laid into blocks of 64 codes.
/// </summary>
/// <remarks>
/// Every group starts at a block border, so a block never mixes two groups; the codes that pad a group's last block are 0 in
/// every plane and add nothing to any sum. With K = 300 and groups of 128:
/// <code>
/// columns   0 … 127      128 … 255     256 … 299
/// groups    0            1             2 (shorter)
/// blocks    0  1         2  3          4
/// </code>
/// </remarks>
public readonly record struct GroupLayout
{
    /// <summary>Codes per block: one 64-bit word per plane.</summary>
    public const int BlockSize = 64;

    /// <summary>Lays out <paramref name="columns"/> columns.</summary>
    /// <param name="columns">K ≥ 1.</param>
    /// <param name="groupSize">Columns per group; 0, or at least K, means one group. The last group may be shorter.</param>
    public GroupLayout(int columns, int groupSize = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(groupSize);
        Columns = columns;
        GroupSize = groupSize == 0 || groupSize >= columns ? columns : groupSize;
        Groups = (columns + GroupSize - 1) / GroupSize;
        BlocksPerGroup = (GroupSize + BlockSize - 1) / BlockSize;
        int lastColumns = columns - (Groups - 1) * GroupSize;
        Blocks = checked((Groups - 1) * BlocksPerGroup + (lastColumns + BlockSize - 1) / BlockSize);
    }

    /// <summary>The layout of columns whose weights and activations have scale groups of their own: cut at the borders of the finer.</summary>
    /// <param name="columns">K ≥ 1.</param>
    /// <param name="weightGroup">Columns that share a weight scale; 0 = all.</param>
    /// <param name="activationGroup">Columns that share a scale of an activation; 0 = all.</param>
    /// <exception cref="ArgumentException">Borders of the coarser are not all borders of the finer.</exception>
    public static GroupLayout Cut(int columns, int weightGroup, int activationGroup)
    {
        GroupLayout layout = new(columns, weightGroup == 0 ? activationGroup : activationGroup == 0 ? weightGroup : Math.Min(weightGroup, activationGroup));
        _ = (layout.Scales(weightGroup), layout.Scales(activationGroup));
        return layout;
    }

    /// <summary>Where the scales of an operand stand that has groups of so many columns.</summary>
    /// <param name="groupSize">Columns that share a scale; 0, or at least K, means all.</param>
    /// <exception cref="ArgumentException">They are not whole groups of this layout.</exception>
    public ScaleGroups Scales(int groupSize)
    {
        if (groupSize == 0 || groupSize >= Columns)
        {
            return new ScaleGroups(1, Groups);
        }

        if (groupSize % GroupSize != 0)
        {
            throw new ArgumentException($"Groups of {groupSize} columns are no whole groups of {GroupSize}.", nameof(groupSize));
        }

        int span = groupSize / GroupSize;
        return new ScaleGroups((Groups + span - 1) / span, span);
    }

    /// <summary>Columns that share a scale, 0 = all: what <see cref="Scales"/> takes.</summary>
    internal int GroupSizeOf(ScaleGroups scales) => scales.Count == 1 ? 0 : scales.Span * GroupSize;

    /// <summary>K.</summary>
    public int Columns { get; }

    /// <summary>Columns per group (K where there is one group).</summary>
    public int GroupSize { get; }

    /// <summary>Number of groups, at least 1.</summary>
    public int Groups { get; }

    /// <summary>Blocks of every group but the last, which may have fewer.</summary>
    public int BlocksPerGroup { get; }

    /// <summary>Number of blocks of a row.</summary>
    public int Blocks { get; }

    /// <summary>Codes of a row including padding: 64 × blocks.</summary>
    public int PaddedColumns => Blocks * BlockSize;

    /// <summary>The first block of a group.</summary>
    public int FirstBlock(int group) => group * BlocksPerGroup;

    /// <summary>One past the last block of a group.</summary>
    public int EndBlock(int group) => group == Groups - 1 ? Blocks : (group + 1) * BlocksPerGroup;

    /// <summary>The first column of a group.</summary>
    public int FirstColumn(int group) => group * GroupSize;

    /// <summary>The number of columns of a group.</summary>
    public int ColumnsIn(int group) => group == Groups - 1 ? Columns - group * GroupSize : GroupSize;

    /// <summary>The padded position (64 × block + bit) of a column.</summary>
    public int PaddedIndex(int column)
    {
        int group = column / GroupSize;
        return group * BlocksPerGroup * BlockSize + (column - group * GroupSize);
    }
}
