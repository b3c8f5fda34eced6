namespace Portable.Server.Http;

/// <summary>Other machines can reach the address, and there is no key: who starts the server says where one is given.</summary>
/// <param name="host">The address to listen on.</param>
internal sealed class KeyNeededException(string host) : ArgumentException($"{host} can be reached from other machines: a key is needed.");
