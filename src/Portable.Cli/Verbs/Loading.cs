using Portable.Cli.Output;
using Portable.Inference;
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
    /// <param name="tokens">Positions that all texts share; 0 = nobody says.</param>
    /// <param name="roomOf">The room of a model, none larger than the second number; null = the context wanted, and what is shared.</param>
    public static LanguageModel Open(
        string directory, Device device, Terminal terminal, CancellationToken cancellation, Func<IModelSource, ModelText, int> contextOf, int sequences = 1, int tokens = 0, Func<IModelSource, int, TextRoom>? roomOf = null) =>
        terminal.Track("loading", bar => LanguageModel.Open(
            directory, device, new LanguageModelOptions { Sequences = sequences, CacheTokens = tokens, Progress = bar, Messages = line => bar.Say($"warning: {line}") }, contextOf, cancellation, roomOf));
}
