namespace Portable.Cli.Output;

/// <summary>Whoever read standard output has left: there is nobody to work for, and nobody to tell.</summary>
internal sealed class ReaderLeftException() : Exception("the reader of standard output has left");
