namespace Portable.Reference.BitPlanes;

/// <summary>Columns that each block of a row really holds: 64, or fewer in the last block of a group.</summary>
internal readonly struct RowBlocks
{
    /// <summary>The blocks of a layout.</summary>
    public RowBlocks(GroupLayout layout)
    {
        Columns = layout.Columns;
        Widths = new int[layout.Blocks];
        for (int group = 0; group < layout.Groups; group++)
        {
            int left = layout.ColumnsIn(group);
            for (int block = layout.FirstBlock(group); block < layout.EndBlock(group); block++, left -= GroupLayout.BlockSize)
            {
                Widths[block] = Math.Min(GroupLayout.BlockSize, left);
            }
        }
    }

    /// <summary>K.</summary>
    public int Columns { get; }

    /// <summary>Columns of each block.</summary>
    public int[] Widths { get; }

    /// <summary>The low <paramref name="count"/> bits, 1…64.</summary>
    public static ulong Mask(int count) => ulong.MaxValue >> (64 - count);
}
