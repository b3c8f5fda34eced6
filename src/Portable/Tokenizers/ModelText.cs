namespace Portable.Tokenizers;

/// <summary>A model's texts as tokens; that the tokenizer cannot be read is told when it is first used: logits need none.</summary>
/// <param name="directory">The model's directory.</param>
internal sealed class ModelText(string directory)
{
    private static ModelText? s_foreseen;

    private readonly string _directory = directory;
    private readonly Lazy<ITokenizer> _tokenizer = new(() => Tokenizers.Tokenizer.Open(directory));

    /// <summary>The tokenizer.</summary>
    public ITokenizer Tokenizer => _tokenizer.Value;

    /// <summary>Reads a tokenizer on another thread, beside what the caller does next.</summary>
    public static ModelText Begin(string directory)
    {
        if (Interlocked.Exchange(ref s_foreseen, null) is { } foreseen && foreseen._directory == directory)
        {
            return foreseen;
        }

        ModelText text = new(directory);
        text.Begin();
        return text;
    }

    /// <summary>The same for who will call <see cref="Begin(string)"/>.</summary>
    public static void Foresee(string directory)
    {
        ModelText text = new(directory);
        text.Begin();
        Volatile.Write(ref s_foreseen, text);
    }

    private void Begin()
    {
        if (Environment.ProcessorCount > 1)
        {
            new Thread(Read) { IsBackground = true, Name = "Portable tokenizer" }.Start();
        }
    }

    private void Read()
    {
        try
        {
            _ = Tokenizer;
        }
        catch (Exception)
        {
            // It is kept for whoever asks.
        }
    }

    /// <summary>Token ids of a text, with what the model wants around it.</summary>
    public int[] EncodeInput(string text) => Tokenizer.EncodeInput(text);
}
