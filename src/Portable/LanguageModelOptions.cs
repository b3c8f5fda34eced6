namespace Portable;

/// <summary>How a model is opened.</summary>
public sealed record LanguageModelOptions
{
    /// <summary>Positions that a text can have, prompt and continuation together; 0 = the model's maximum. Memory grows with it.</summary>
    public int Context { get; init; }

    /// <summary>How many texts can be under way at once, at least 1 (the default). One more does not wait: it is refused with <see cref="InvalidOperationException"/>.</summary>
    public int Sequences { get; init; } = 1;

    /// <summary>
    /// Positions that the cache has room for, in pages of 64 that all texts share; at least <see cref="Context"/>. 0 =
    /// <see cref="Sequences"/> × <see cref="Context"/>. Refused for models whose blocks see no more than a window.
    /// </summary>
    public int CacheTokens { get; init; }

    /// <summary>Told how much of the model is loaded, 0 … 1.</summary>
    public IProgress<double>? Progress { get; init; }

    /// <summary>Told, a line each, what the user should know: a device that is a CPU, kernels that it does without, fields of config.json that were not taken as they stand.</summary>
    public Action<string>? Messages { get; init; }
}
