using Portable.Models;
using Portable.Reference.Algorithms.AbqLlm;

namespace Portable.Calibration;

/// <summary>Where block reconstruction computes: a float block as teacher, then the same block in training, one block at a time.</summary>
internal interface ITrainingDevice : IDisposable
{
    /// <summary>
    /// Name of the arithmetic: equal names on one kind of device mean equal bytes. "f32" is the CPU's to the bit, on every device.
    /// </summary>
    string Arithmetic { get; }

    /// <summary>A float block that sequences pass through.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="tokens">Tokens of every sequence.</param>
    /// <param name="attention">Whether its attention maps are wanted.</param>
    IBlockTeacher CreateTeacher(BlockWeights block, int tokens, bool attention);

    /// <summary>A block in training.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="widths">Its grids.</param>
    /// <param name="options">Parts and rates.</param>
    /// <param name="statistics">Input statistics of the float block.</param>
    /// <param name="tokens">Tokens of every sequence.</param>
    /// <param name="rankOne">Whether it carries a rank-1 compensation.</param>
    IBlockStudent CreateStudent(BlockWeights block, BlockWidths widths, AbqOptions options, BlockStatistics statistics, int tokens, bool rankOne);
}

/// <summary>A float block over whole sequences.</summary>
internal interface IBlockTeacher : IDisposable
{
    /// <summary>Runs a sequence.</summary>
    /// <param name="x">[token × hidden].</param>
    /// <param name="y">Receives as many.</param>
    /// <param name="observed">Whether the inputs of the linears count for <see cref="ReadStatistics"/>, and the attention map is kept.</param>
    void Forward(float[] x, float[] y, bool observed);

    /// <summary>Attention of the last observed sequence, averaged over heads: the lower triangle, row after row.</summary>
    void ReadAttention(Span<float> triangle);

    /// <summary>Statistics over the observed sequences.</summary>
    BlockStatistics ReadStatistics();
}
