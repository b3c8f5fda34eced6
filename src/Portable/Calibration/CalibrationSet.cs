using Portable.Reference.Arithmetic;
using Portable.Tokenizers;

namespace Portable.Calibration;

/// <summary>
/// Token windows of a calibration text: the text is tokenized once, BOS once at its start, cut into non-overlapping windows
/// (a partial last one dropped), and a seeded choice of them is taken, in text order. The same text, tokenizer, counts and
/// seed give the same windows for every method.
/// </summary>
internal sealed class CalibrationSet
{
    private CalibrationSet(IReadOnlyList<int[]> windows, int context) => (Windows, Context) = (windows, context);

    /// <summary>Windows of <see cref="Context"/> tokens, in text order.</summary>
    public IReadOnlyList<int[]> Windows { get; }

    /// <summary>Tokens per window.</summary>
    public int Context { get; }

    /// <summary>The windows whose inputs the reports of output errors use: the first few.</summary>
    public IReadOnlyList<int[]> ReportWindows => [.. Windows.Take(4)];

    /// <summary>Chooses windows of a tokenized text.</summary>
    /// <param name="tokens">Tokens, BOS first where the model has one.</param>
    /// <param name="samples">The most windows.</param>
    /// <param name="context">Tokens per window.</param>
    /// <param name="seed">Seed of the choice.</param>
    public static CalibrationSet FromTokens(int[] tokens, int samples, int context, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(context, 2);
        int total = tokens.Length / context;
        if (total == 0)
        {
            throw new ArgumentException($"The calibration text has {TokenCount.Text(tokens.Length)}: not one window of {context}.", "CalibrationText");
        }

        int[] windows = [.. Enumerable.Range(0, total)];
        SplitMix64 random = new((ulong)seed);
        int taken = Math.Min(samples, total);
        for (int i = 0; i < taken; i++)
        {
            int j = i + random.Next(total - i);
            (windows[i], windows[j]) = (windows[j], windows[i]);
        }

        Array.Resize(ref windows, taken);
        Array.Sort(windows);
        return new CalibrationSet([.. windows.Select(w => tokens[(w * context)..((w + 1) * context)])], context);
    }
}
