using System.Globalization;
using Portable.Cli.Output;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;

namespace Portable.Cli.Verbs;

/// <summary>Opens a model for texts whose length nobody knows yet: with its whole context, or what memory has room for.</summary>
internal static class ConversationRoom
{
    /// <summary>Opens it, and says where memory has no room for all.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="device">The device.</param>
    /// <param name="asked">The context asked for; 0 = as much as there is.</param>
    /// <param name="sequences">Texts at once.</param>
    /// <param name="terminal">Shows progress and warnings.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <param name="tokens">Tokens that texts share the cache of; 0 = texts × context, or what memory has room for. Null = each text has its own.</param>
    public static LanguageModel Open(string directory, Device device, int asked, int sequences, Terminal terminal, CancellationToken cancellation, int? tokens = null)
    {
        int limit = int.MaxValue;
        while (true)
        {
            int full = 0, room = 0;
            long shared = 0;
            string why = string.Empty;
            try
            {
                LanguageModel opened = Loading.Open(
                    directory,
                    device,
                    terminal,
                    cancellation,
                    sequences: sequences,
                    contextOf: (source, _) =>
                    {
                        full = source.Config.MaximumPositions;
                        int most = Affordable(source, AreShared(source.Config) ? 1 : sequences);
                        room = asked > 0 ? asked : Math.Min(Math.Min(full, limit), tokens > 0 ? Math.Min(tokens.Value, CacheRoom.Longest(source.Config, source.KeyValueBits)) : most);
                        why = room < full ? CacheRoom.Why(source, room) : string.Empty;
                        return room;
                    },
                    tokensOf: (source, context) =>
                    {
                        long most = asked > 0 ? int.MaxValue : Math.Min(limit, AffordableTokens(source));
                        shared = tokens > 0 ? tokens.Value : Math.Max(context, Math.Min((long)sequences * context, most));
                        return tokens > 0 || AreShared(source.Config) ? (int)Math.Min(shared, int.MaxValue) : 0;
                    });
                if (asked == 0 && room < full)
                {
                    terminal.Message(string.Create(CultureInfo.InvariantCulture, $"the conversation can have {room:N0} of the model's {full:N0} tokens: {why}"));
                }

                if (tokens == 0 && shared < (long)sequences * room)
                {
                    terminal.Message(string.Create(CultureInfo.InvariantCulture, $"{sequences} texts share a cache of {shared:N0} tokens: memory has no room for {sequences} of {room:N0}"));
                }

                return opened;
            }
            catch (DeviceMemoryException) when (asked == 0 && tokens is null or 0 && Math.Max(room, shared) > 2048)
            {
                // A device that is full says so before it takes anything.
                limit = (int)(Math.Max(room, shared) / 2);
            }
        }

        bool AreShared(ModelConfig config) => tokens is not null && Shares(config);
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
