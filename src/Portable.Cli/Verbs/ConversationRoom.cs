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
            try
            {
                LanguageModel opened = Loading.Open(
                    directory,
                    device,
                    terminal,
                    cancellation,
                    sequences: sequences,
                    contextOf: (config, _) =>
                    {
                        full = config.MaximumPositions;
                        int most = tokens > 0 ? tokens.Value : Affordable(config, Shares(config) ? 1 : sequences);
                        return room = asked > 0 ? asked : Math.Min(Math.Min(full, limit), most);
                    },
                    tokensOf: (config, context) =>
                    {
                        long most = asked > 0 ? int.MaxValue : Math.Min(limit, AffordableTokens(config));
                        shared = tokens > 0 ? tokens.Value : Math.Max(context, Math.Min((long)sequences * context, most));
                        return tokens > 0 || Shares(config) ? (int)Math.Min(shared, int.MaxValue) : 0;
                    });
                if (asked == 0 && room < full)
                {
                    terminal.Message(string.Create(CultureInfo.InvariantCulture, $"the conversation can have {room:N0} of the model's {full:N0} tokens: memory has no room for more"));
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

        // What lies behind a window is given up, and such texts cannot share.
        bool Shares(ModelConfig config) => tokens is not null && config.Blocks.All(b => b.Attention.Window == 0);
    }

    // Keys and values at their largest, 4 bytes each.
    private const int LargestBits = 32;

    private static int Affordable(ModelConfig config, int sequences) => CacheRoom.Context(config, LargestBits, sequences, CacheRoom.Share(CacheRoom.MachineBytes));

    private static long AffordableTokens(ModelConfig config) => CacheRoom.Tokens(config, LargestBits, CacheRoom.Share(CacheRoom.MachineBytes));
}
