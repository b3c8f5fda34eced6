using Portable.Calibration;
using Portable.Checkpoints.Format;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Tokenizers;

namespace Portable.Tests.Support;

/// <summary>The trained model and the text that are part of the repository: the text's first half calibrates, its second half is scored.</summary>
internal static class DemoModel
{
    private const int Context = 128;
    private static readonly string Folder = Path.Combine(Repository.Root, "src", "Portable.Cli", "demo");
    private static readonly int[] Tokens = [1, .. Tokenizer.Open(Directory).Encode(File.ReadAllText(Text))];

    /// <summary>The float model's directory.</summary>
    public static string Directory => Path.Combine(Folder, "tiny-llama");

    /// <summary>The text's file.</summary>
    public static string Text => Path.Combine(Folder, "evaluation.txt");

    /// <summary>The float model.</summary>
    public static IModelSource Open() => Checkpoint.Open(Directory);

    /// <summary>Windows of the first half, at most so many.</summary>
    public static CalibrationSet Calibration(int windows = 128) => CalibrationSet.FromTokens(Tokens[..(Tokens.Length / 2)], windows, Context, 0);

    /// <summary>Perplexity on the second half.</summary>
    public static double Perplexity(IModelSource model)
    {
        using Transformer transformer = new(model, new CpuExecutor());
        return Portable.Evaluation.Perplexity.Measure(transformer, Tokens[(Tokens.Length / 2)..], Context).Perplexity;
    }
}
