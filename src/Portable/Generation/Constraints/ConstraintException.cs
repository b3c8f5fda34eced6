namespace Portable.Generation.Constraints;

/// <summary>A shape that is not supported, contradicts itself, or is too large.</summary>
/// <param name="message">What is wrong with it, and where.</param>
internal sealed class ConstraintException(string message) : ArgumentException(message);
