using Portable;

// generate MODEL [DEVICE] : continues a text, piece by piece.
using LanguageModel model = LanguageModel.Open(args[0], Device.Parse(args.Length > 1 ? args[1] : "cpu"));
var options = new GenerationOptions { MaximumTokens = 100, Temperature = 0.8, TopP = 0.95, Seed = 7 };
await foreach (string piece in model.GenerateAsync("The lighthouse keeper", options))
{
    Console.Write(piece);
}
