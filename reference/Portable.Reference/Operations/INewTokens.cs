namespace Portable.Reference.Operations;

/// <summary>Tokens that are fed: their queries, keys and values as the linear layer left them.</summary>
internal interface INewTokens
{
    /// <summary>Writes the queries of a row that belong to a key and value head, after rotary; several threads may ask for the same.</summary>
    /// <param name="row">Row of the batch.</param>
    /// <param name="head">Key and value head.</param>
    /// <param name="queries">Receives query heads of the group × head size; may be where they come from, and then one thread alone asks.</param>
    void Turn(int row, int head, Span<float> queries);

    /// <summary>Appends a row's key, after rotary, and its value; once.</summary>
    /// <param name="row">Row of the batch.</param>
    /// <param name="head">Key and value head.</param>
    void Append(int row, int head);
}
