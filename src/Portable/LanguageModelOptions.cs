namespace Portable;

/// <summary>How a model is opened.</summary>
public sealed record LanguageModelOptions
{
    /// <summary>
    /// Positions of a text that the model can read: prompt and continuation but for its last token. Memory grows with it, and is taken
    /// when the model is opened. 0, the default: the model's maximum, or where that is less what leaves keys and values of all texts within
    /// a quarter of the memory (the process's, which a container limits; a GPU's own), said in <see cref="Messages"/>; at most <see cref="CacheTokens"/>, where that is given.
    /// Few models compute by it (frequencies that depend on a declared length): where their bits must be the same on machines of other memory, say it.
    /// </summary>
    public int Context { get; init; }

    /// <summary>How many texts can be under way at once, at least 1 (the default). One more does not wait: it is refused with <see cref="InvalidOperationException"/>.</summary>
    public int Sequences { get; init; } = 1;

    /// <summary>
    /// Positions that the cache has room for, in pages of 64 that all texts share; at least <see cref="Context"/>. 0 =
    /// <see cref="Sequences"/> × <see cref="Context"/>, the default. Refused for models whose blocks see no more than a window.
    /// </summary>
    public int CacheTokens { get; init; }

    /// <summary>Told how much of the model is loaded, 0 … 1; null, the default = nobody.</summary>
    public IProgress<double>? Progress { get; init; }

    /// <summary>Told, a line each, what the user should know: a device that is a CPU, kernels that it does without, fields of config.json that were not taken as they stand, a context that memory made shorter. Null, the default = nobody.</summary>
    public Action<string>? Messages { get; init; }
}
