using Portable.Execution;
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
    /// <param name="rows">Where a part of a sample lies in memory, if it does: a device may read it by itself.</param>
    IBlockStudent CreateStudent(BlockWeights block, BlockWidths widths, AbqOptions options, BlockStatistics statistics, int tokens, bool rankOne, Func<int, SamplePart, StoredRows?> rows);
}

/// <summary>A float block over whole sequences.</summary>
internal interface IBlockTeacher : IDisposable
{
    /// <summary>Runs sequences in order; reading the next and writing the last overlap with computing where they can.</summary>
    /// <param name="count">Number of sequences.</param>
    /// <param name="read">Fills the input of one, [token × hidden].</param>
    /// <param name="write">Takes its output, behind the reading of the input of the same sequence.</param>
    /// <param name="observe">
    /// Takes its attention averaged over heads, the lower triangle row after row (empty where it is not wanted), and lets the inputs of the
    /// linears count for <see cref="ReadStatistics"/>; null = neither.
    /// </param>
    /// <param name="rows">Where inputs lie and outputs go, if in memory: a device may read and write it by itself, in place of <paramref name="read"/> and <paramref name="write"/>.</param>
    /// <param name="cancellation">Stops between sequences.</param>
    void Run(int count, WindowReader read, WindowWriter write, WindowWriter? observe, WindowRows rows, CancellationToken cancellation);

    /// <summary>Statistics over the observed sequences.</summary>
    BlockStatistics ReadStatistics();
}

/// <summary>Memory of windows.</summary>
/// <param name="Input">Where the input of one lies, or null.</param>
/// <param name="Outputs">Where its output goes, each null where it is no memory.</param>
internal sealed record WindowRows(Func<int, StoredRows?> Input, Func<int, StoredRows?[]> Outputs);

/// <summary>Fills the values of a window.</summary>
internal delegate void WindowReader(int window, Span<float> values);

/// <summary>Takes the values of a window; valid during the call.</summary>
internal delegate void WindowWriter(int window, ReadOnlySpan<float> values);
