using Portable.Inference;

namespace Portable.Evaluation;

/// <summary>Turns windows done, and within a window blocks done, into a fraction for a bar.</summary>
internal sealed class WindowProgress : IProgress<(int Done, int Total, double MeanNll)>
{
    private readonly IProgress<double> _bar;
    private int _done;

    /// <summary>Listens to a model.</summary>
    /// <param name="bar">Takes fractions 0 … 1.</param>
    /// <param name="model">The model that runs the windows.</param>
    /// <param name="windows">Windows of the text.</param>
    /// <param name="limit">The most windows that are run; 0 = all.</param>
    public WindowProgress(IProgress<double> bar, Transformer model, int windows, int limit)
    {
        _bar = bar;
        double total = Math.Max(1, limit > 0 ? Math.Min(limit, windows) : windows);
        model.BlockDone = block => bar.Report(Math.Min(1, (_done + ((double)block / model.Config.Layers)) / total));
    }

    /// <inheritdoc/>
    public void Report((int Done, int Total, double MeanNll) value)
    {
        _done = value.Done;
        _bar.Report((double)value.Done / value.Total);
    }
}
