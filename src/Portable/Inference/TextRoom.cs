namespace Portable.Inference;

/// <summary>Positions that a model is opened with.</summary>
/// <param name="Context">Of each text.</param>
/// <param name="Shared">Of all texts together, in pages that they share; 0 = each text has its own.</param>
internal readonly record struct TextRoom(int Context, int Shared);
