namespace Portable;

/// <summary>Takes logits of consecutive positions.</summary>
/// <param name="firstPosition">The first of them.</param>
/// <param name="logits">[position × vocabulary]; valid during the call.</param>
public delegate void LogitsReader(int firstPosition, ReadOnlySpan<float> logits);
