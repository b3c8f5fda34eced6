namespace Portable.Tokenizers.Pipeline;

/// <summary>Ids that a tokenizer puts around those of a text.</summary>
/// <param name="Before">In front.</param>
/// <param name="After">Behind.</param>
internal sealed record PostProcessor(IReadOnlyList<int> Before, IReadOnlyList<int> After)
{
    public static PostProcessor None { get; } = new([], []);

    /// <summary>Another one around this one.</summary>
    public PostProcessor Within(PostProcessor outer) => new([.. outer.Before, .. Before], [.. After, .. outer.After]);
}
