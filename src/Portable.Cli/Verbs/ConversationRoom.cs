using System.Globalization;
using Portable.Cli.Output;
using Portable.Inference;
using Portable.Models;

namespace Portable.Cli.Verbs;

/// <summary>Opens a model for texts whose length nobody knows yet: with its whole context, or what memory has room for.</summary>
internal static class ConversationRoom
{
    /// <summary>Opens it, and says where memory has no room for all; what a full device has no room for is halved there (<see cref="LanguageModel"/>).</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="device">The device.</param>
    /// <param name="asked">The context asked for; 0 = as much as there is.</param>
    /// <param name="sequences">Texts at once.</param>
    /// <param name="terminal">Shows progress and warnings.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <param name="tokens">Tokens that texts share the cache of; 0 = texts × context, or what memory has room for. Null = each text has its own.</param>
    public static LanguageModel Open(string directory, Device device, int asked, int sequences, Terminal terminal, CancellationToken cancellation, int? tokens = null)
    {
        TextRoom room = default;
        LanguageModel opened = Loading.Open(directory, device, terminal, cancellation, (_, _) => asked, sequences, tokens ?? 0, (source, most) =>
        {
            bool together = tokens is not null && Shares(source.Config);
            int context = Math.Min(most, tokens > 0 ? Math.Min(tokens.Value, CacheRoom.Longest(source.Config, source.KeyValueBits)) : Affordable(source, together ? 1 : sequences));
            context = asked > 0 ? asked : context;
            long whole = (long)sequences * context;
            long shared = tokens > 0 ? tokens.Value
                : !together ? 0
                : asked > 0 ? whole
                : Math.Max(context, Math.Min(whole, Math.Min(most, AffordableTokens(source))));
            return room = new TextRoom(context, (int)Math.Min(shared, int.MaxValue));
        });
        if (tokens == 0 && room.Shared > 0 && room.Shared < (long)sequences * room.Context)
        {
            terminal.Message(string.Create(CultureInfo.InvariantCulture, $"{sequences} texts share a cache of {room.Shared:N0} tokens: memory has no room for {sequences} of {room.Context:N0}"));
        }

        return opened;
    }

    /// <summary>Refuses texts at once that the CPU's memory cannot hold: keys and values, and the logits of one position each.</summary>
    /// <param name="source">The model.</param>
    /// <param name="asked">The context asked for; 0 = as much as there is.</param>
    /// <param name="sequences">Texts at once.</param>
    /// <param name="tokens">Tokens that texts share the cache of; 0 = as <see cref="Open"/> takes them.</param>
    /// <exception cref="ArgumentException">They take more than the machine has.</exception>
    public static void RequireMemory(IModelSource source, int asked, int sequences, int tokens)
    {
        ModelConfig config = source.Config;
        int least = Math.Min(asked > 0 ? asked : CacheRoom.Least, config.MaximumPositions);
        // A cache that all share is no larger than memory allows, unless its size is asked for.
        double cache = tokens > 0 ? CpuMemory.CacheBytes(config, source.KeyValueBits, 1, Some) / (double)Some * tokens : CpuMemory.CacheBytes(config, source.KeyValueBits, 1, least) * (asked > 0 || !Shares(config) ? (double)sequences : 1);
        double logits = sizeof(float) * (double)sequences * config.VocabularySize;
        double room = CacheRoom.MachineBytes;
        if (cache + logits > room)
        {
            throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture,
                $"{sequences:N0} texts at once take {(cache + logits) / 1e9:F1} GB (keys and values {cache / 1e9:F1}, logits {logits / 1e9:F1}) beside the model, and there are {room / 1e9:F1}: less --parallel, --context or --cache-tokens"));
        }
    }

    // What lies behind a window is given up, and such texts cannot share.
    private static bool Shares(ModelConfig config) => config.Blocks.All(b => b.Attention.Window == 0);

    // Tokens whose bytes are counted.
    private const int Some = 64;

    private static int Affordable(IModelSource source, int sequences) => CacheRoom.Context(source.Config, source.KeyValueBits, sequences, CacheRoom.Share(CacheRoom.MachineBytes));

    private static long AffordableTokens(IModelSource source) => CacheRoom.Tokens(source.Config, source.KeyValueBits, CacheRoom.Share(CacheRoom.MachineBytes));
}
