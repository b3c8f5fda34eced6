namespace Portable.Execution;

/// <summary>
/// The tokens of one forward pass: each row is one token of one sequence. Rows of a sequence are in ascending position and
/// continue what its cache already holds; how tokens are cut into batches never changes a bit of a quantized model.
/// </summary>
internal sealed class Batch
{
    /// <summary>Creates a batch.</summary>
    /// <param name="tokens">Token id of each row.</param>
    /// <param name="sequences">Sequence (cache slot) of each row.</param>
    /// <param name="positions">Position of each row in its sequence, from 0.</param>
    /// <param name="logitRows">The rows whose logits are wanted, ascending.</param>
    public Batch(int[] tokens, int[] sequences, int[] positions, int[] logitRows)
    {
        if (tokens.Length == 0 || sequences.Length != tokens.Length || positions.Length != tokens.Length)
        {
            throw new ArgumentException("A batch has at least one row, and a token, a sequence and a position for each.");
        }

        (Tokens, Sequences, Positions, LogitRows) = (tokens, sequences, positions, logitRows);
    }

    /// <summary>Token id of each row.</summary>
    public int[] Tokens { get; }

    /// <summary>Sequence of each row.</summary>
    public int[] Sequences { get; }

    /// <summary>Position of each row.</summary>
    public int[] Positions { get; }

    /// <summary>Rows whose logits are wanted.</summary>
    public int[] LogitRows { get; }

    /// <summary>Number of rows.</summary>
    public int Rows => Tokens.Length;

    /// <summary>Consecutive tokens of one sequence.</summary>
    /// <param name="tokens">Token ids.</param>
    /// <param name="firstPosition">Position of the first.</param>
    /// <param name="allLogits">Logits of every row, or of the last alone.</param>
    /// <param name="sequence">Cache slot.</param>
    public static Batch Consecutive(ReadOnlySpan<int> tokens, int firstPosition, bool allLogits, int sequence = 0)
    {
        int[] positions = new int[tokens.Length], sequences = new int[tokens.Length];
        for (int i = 0; i < positions.Length; i++)
        {
            positions[i] = firstPosition + i;
            sequences[i] = sequence;
        }

        int[] logitRows = allLogits ? Enumerable.Range(0, tokens.Length).ToArray() : [tokens.Length - 1];
        return new Batch(tokens.ToArray(), sequences, positions, logitRows);
    }
}
