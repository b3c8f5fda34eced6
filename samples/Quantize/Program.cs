using Portable;
using Portable.Reference.Quantization;

// quantize MODEL OUTPUT TEXT : 4-bit weights and 8-bit activations, then both models measured on a text.
new Quantizer
{
    Source = args[0],
    Output = args[1],
    Method = QuantizationMethod.RoundToNearest,
    Scheme = QuantizationScheme.Parse("W4A8"),
}.Run();
foreach (string directory in args[..2])
{
    using LanguageModel model = LanguageModel.Open(directory);
    Console.WriteLine($"{directory}: perplexity {model.Perplexity(File.ReadAllText(args[2])).Perplexity:F2}");
}
