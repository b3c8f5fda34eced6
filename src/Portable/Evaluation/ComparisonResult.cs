using Portable.Checkpoints.Format;

namespace Portable.Evaluation;

/// <summary>A model beside the reference.</summary>
/// <param name="Model">Its directory, as it was given.</param>
/// <param name="Method">How it was quantized, or <c>float</c>.</param>
/// <param name="Scheme">The scheme that was asked for, or null.</param>
/// <param name="Options">The options that it was made with, as JSON of its manifest, or null.</param>
/// <param name="BitsPerWeight">Bits on disk of a weight of the blocks' linears, with what stands beside them (scales, zero points, column maps); biases left out.</param>
/// <param name="MeanDivergence">Mean of KL(reference ‖ model) over the scored positions, nats.</param>
/// <param name="DivergenceError">Its standard error, the window as unit; null for one window.</param>
/// <param name="Divergence99">99th percentile of the divergence.</param>
/// <param name="SameTop">Part of the positions whose likeliest token is the reference's, 0 … 1.</param>
/// <param name="Perplexity">exp of the mean negative log likelihood.</param>
/// <param name="Ratio">Perplexity over the reference's.</param>
/// <param name="RatioError">Its standard error from differences position by position, the window as unit; null for one window.</param>
/// <param name="Layers">Error of every layer, as its manifest has them; empty for float.</param>
public sealed record ComparisonRow(
    string Model, string Method, string? Scheme, string? Options, double BitsPerWeight, double MeanDivergence, double? DivergenceError, double Divergence99, double SameTop,
    double Perplexity, double Ratio, double? RatioError, IReadOnlyList<LayerReport> Layers)
{
    /// <summary>The reference's own figures, or a model's beside them.</summary>
    internal static ComparisonRow Of(ComparedModel model, ScoredPositions reference, ScoredPositions own, int perWindow)
    {
        double[] differences = [.. own.Losses.Zip(reference.Losses, (a, b) => a - b)];
        double ratio = Math.Exp(WindowMeans.Mean(differences));
        return new ComparisonRow(
            model.Directory, model.Method, model.Scheme, model.Options, model.BitsPerWeight,
            WindowMeans.Mean(own.Divergences), WindowMeans.StandardError(own.Divergences, perWindow), WindowMeans.Quantile(own.Divergences, 0.99), own.SameTop.Count(same => same) / (double)own.SameTop.Length,
            Math.Exp(WindowMeans.Mean(own.Losses)), ratio, ratio * WindowMeans.StandardError(differences, perWindow), model.Layers);
    }
}

/// <summary>Models beside a reference on one text.</summary>
/// <param name="Rows">The reference, then the models in the order given.</param>
/// <param name="Text">Name of the text, where it was given one.</param>
/// <param name="Windows">Windows run.</param>
/// <param name="Context">Tokens of a window.</param>
/// <param name="Skip">Positions at the start of each window that were not scored.</param>
/// <param name="Predictions">Predictions scored.</param>
/// <param name="Device">The device that served the quantized models.</param>
/// <param name="Seconds">Wall time, loading included.</param>
public sealed record ComparisonResult(IReadOnlyList<ComparisonRow> Rows, string? Text, int Windows, int Context, int Skip, long Predictions, string Device, double Seconds)
{
    /// <summary>A page that needs nothing else: table, divergence over bits, errors of the layers.</summary>
    /// <param name="command">The command that made it, shown on the page; null = none.</param>
    public string ToHtml(string? command = null) => ComparisonPage.Of(this, command);
}
