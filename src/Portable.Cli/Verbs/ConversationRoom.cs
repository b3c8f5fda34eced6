using System.Globalization;
using Portable.Cli.Output;
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
    public static LanguageModel Open(string directory, Device device, int asked, int sequences, Terminal terminal, CancellationToken cancellation)
    {
        int limit = int.MaxValue;
        while (true)
        {
            int full = 0, room = 0;
            try
            {
                LanguageModel opened = Loading.Open(directory, device, terminal, cancellation, sequences: sequences, contextOf: (config, _) =>
                {
                    full = config.MaximumPositions;
                    return room = asked > 0 ? asked : Math.Min(Math.Min(full, limit), Affordable(config, sequences));
                });
                if (asked == 0 && room < full)
                {
                    terminal.Message(string.Create(CultureInfo.InvariantCulture, $"the conversation can have {room:N0} of the model's {full:N0} tokens: memory has no room for more"));
                }

                return opened;
            }
            catch (InvalidOperationException) when (asked == 0 && room > 2048)
            {
                // A device that is full says so before it takes anything.
                limit = room / 2;
            }
        }
    }

    // A quarter of the machine's memory for keys and values at their largest, 4 bytes each.
    private static int Affordable(ModelConfig config, int sequences)
    {
        const int Least = 256, LargestBits = 32;
        return Math.Max(Least, CpuMemory.LargestContext(config, LargestBits, sequences, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4));
    }
}
