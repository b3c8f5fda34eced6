namespace Portable.Cli.Verbs;

/// <summary>One model of the demo.</summary>
/// <param name="Method">How it was quantized, or float.</param>
/// <param name="Scheme">The scheme, or the element type.</param>
/// <param name="Bytes">Files of the checkpoint.</param>
/// <param name="Perplexity">On the demo's text.</param>
/// <param name="TokensPerSecond">Of decoding alone: the fastest of several continuations, the prompt and the first token left out.</param>
/// <param name="Hash">SHA-256 of the logits after each token of the prompt, the same on every CPU and GPU; null for the float model, which does not promise it.</param>
/// <param name="Text">The continuation of the demo's prompt.</param>
internal sealed record DemoRow(string Method, string Scheme, long Bytes, double Perplexity, double TokensPerSecond, string? Hash, string Text);

/// <summary>The answer of <c>portable</c> alone.</summary>
/// <param name="Prompt">What the models continued.</param>
/// <param name="Predictions">Tokens that each perplexity is of.</param>
/// <param name="Rows">The float model first.</param>
/// <param name="Seconds">Wall time of the demo.</param>
internal sealed record DemoReport(string Prompt, long Predictions, IReadOnlyList<DemoRow> Rows, double Seconds);
