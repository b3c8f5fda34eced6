using Portable.Cli.Output;
using Portable.Models;
using Portable.Tokenizers;

namespace Portable.Cli.Verbs;

/// <summary>Opens models with a bar.</summary>
internal static class Loading
{
    /// <summary>Opens a checkpoint of either kind on a device.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="device">The device.</param>
    /// <param name="terminal">Shows progress and warnings.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <param name="context">Positions wanted; 0 = the model's maximum.</param>
    public static LanguageModel Open(string directory, Device device, Terminal terminal, CancellationToken cancellation, int context = 0) =>
        Open(directory, device, terminal, cancellation, (_, _) => context);

    /// <summary>Opens a checkpoint whose context follows from a text.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="device">The device.</param>
    /// <param name="terminal">Shows progress and warnings.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <param name="contextOf">Positions wanted of the model, asked before anything is loaded; 0 = the model's maximum.</param>
    /// <param name="sequences">Texts at once.</param>
    /// <param name="tokensOf">Positions that all texts share, of the model and its context; null or 0 = texts × context.</param>
    public static LanguageModel Open(
        string directory, Device device, Terminal terminal, CancellationToken cancellation, Func<IModelSource, ModelText, int> contextOf, int sequences = 1, Func<IModelSource, int, int>? tokensOf = null) =>
        terminal.Track("loading", bar => LanguageModel.Open(directory, device, new LanguageModelOptions { Sequences = sequences, Progress = bar, Messages = line => bar.Say($"warning: {line}") }, contextOf, cancellation, tokensOf));
}
