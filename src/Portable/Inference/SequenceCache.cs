namespace Portable.Inference;

/// <summary>
/// The sequences of a model's cache, which texts take in turn. What a text leaves is kept for later texts of the same owner that
/// begin alike: a quantized model's bits do not depend on when, or for whom, they were computed.
/// </summary>
/// <remarks>Safe for use by several threads; a text's own <see cref="TakenSequence"/> is used by one at a time.</remarks>
internal abstract class SequenceCache
{
    /// <summary>Called when a text has given back what it had, on the thread that did.</summary>
    public event Action? Returned;

    /// <summary>Sequences.</summary>
    public abstract int Count { get; }

    /// <summary>Sequences that no text has taken.</summary>
    public abstract int Free { get; }

    /// <summary>Positions that there is room for.</summary>
    public abstract long Positions { get; }

    /// <summary>Positions whose keys and values are held, for texts under way and for later ones.</summary>
    public abstract long HeldPositions { get; }

    /// <summary>The cache of a model.</summary>
    public static SequenceCache Of(Transformer model) => model.Pages is { } pages ? new PageCache(pages, model.Context, model.CopyPage) : new CacheSlots(model.Sequences, model.Context, model.Forgets);

    /// <summary>Takes a sequence for a text; null where there is none, or no room to feed the text.</summary>
    /// <param name="text">Token ids that are to be fed.</param>
    /// <param name="most">How many of them at most may be there already.</param>
    /// <param name="owner">Whose text it is: what others' texts left is not used, for the time saved would tell of it.</param>
    /// <remarks>To be called between passes of the model, which may copy a page.</remarks>
    public abstract TakenSequence? TryTake(ReadOnlySpan<int> text, int most, string owner);

    /// <summary>Takes a sequence with room for a whole text.</summary>
    /// <param name="prompt">Token ids of its beginning; the last is to be fed.</param>
    /// <param name="positions">The most positions that the text will have.</param>
    /// <exception cref="InvalidOperationException">There is none, or no room. Waiting could be for oneself.</exception>
    public abstract TakenSequence TakeWhole(ReadOnlySpan<int> prompt, int positions);

    /// <summary>Takes all sequences, which are empty then, each with its own part of the cache.</summary>
    /// <exception cref="InvalidOperationException">One is taken, or there is not room for all.</exception>
    public abstract IDisposable TakeAll();

    /// <summary>Calls <see cref="Returned"/>.</summary>
    protected void OnReturned() => Returned?.Invoke();

    /// <summary>Why a text cannot be begun.</summary>
    protected InvalidOperationException Busy() =>
        new($"The model is busy with {(Count == 1 ? "another text" : $"{Count - Free} other texts")}: finish or dispose of it, or open the model with more Sequences.");

    /// <summary>Why the model cannot be had alone.</summary>
    protected static InvalidOperationException NotAlone() => new("The model is busy with another text, and this needs it alone: finish or dispose of that first.");
}

/// <summary>A sequence in use by one text until disposed of.</summary>
internal abstract class TakenSequence : IDisposable
{
    /// <summary>The sequence.</summary>
    public abstract int Index { get; }

    /// <summary>Positions of the text whose keys and values are held.</summary>
    public abstract int Held { get; }

    /// <summary>Makes room for positions, to be fed in the next pass.</summary>
    /// <param name="positions">Positions of the text in all.</param>
    /// <returns>Whether there is room; what could be had is kept where there is not.</returns>
    public abstract bool TryReach(int positions);

    /// <summary>Tells of tokens that a pass has fed, behind those held.</summary>
    public abstract void Add(ReadOnlySpan<int> tokens);

    /// <inheritdoc/>
    public abstract void Dispose();
}
