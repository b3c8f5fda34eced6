namespace Portable.Server;

/// <summary>How a model is served.</summary>
public sealed record ServerOptions
{
    /// <summary>The address to listen on: an IP address, or localhost. Beyond loopback a key is needed.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>The port, 0 … 65,535; 0 = any that is free.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>Keys, one of which a request must bear; none = no key is asked for, on loopback alone. Prefixes are reused within one key's texts only.</summary>
    public IReadOnlyList<string> Keys { get; init; } = [];

    /// <summary>Origins ("https://example.org") whose pages may call from a browser; beside the server's own page none may.</summary>
    public IReadOnlyList<string> Origins { get; init; } = [];

    /// <summary>The most bytes of a request, at least 1.</summary>
    public long MaximumBodyBytes { get; init; } = 4 << 20;

    /// <summary>The most texts that wait for a place; more are refused with 429. At least 1.</summary>
    public int MaximumWaiting { get; init; } = 256;

    /// <summary>The longest that a request may take.</summary>
    public TimeSpan MaximumTime { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>How tokens are chosen where a request says nothing (not how many); null = as the model's makers recommend.</summary>
    public GenerationOptions? Defaults { get; init; }

    /// <summary>Told, a line each, what whoever runs the server should know.</summary>
    public Action<string>? Messages { get; init; }
}
