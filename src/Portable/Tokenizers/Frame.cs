using Portable.Checkpoints;
using Portable.Tokenizers.Files;
using Portable.Tokenizers.Pipeline;

namespace Portable.Tokenizers;

/// <summary>What is put in front of a text and behind it.</summary>
internal static class Frame
{
    /// <summary>
    /// What tokenizer_config.json says explicitly (<c>add_bos_token</c>, <c>add_eos_token</c>), on each side on its own; else
    /// what the vocabulary's own file says.
    /// </summary>
    /// <param name="directory">The directory.</param>
    /// <param name="config">Its small files.</param>
    /// <param name="find">Ids of tokens.</param>
    /// <param name="otherwise">What the vocabulary's own file says.</param>
    /// <exception cref="CheckpointException">A token is wanted that no file names.</exception>
    public static PostProcessor Of(string directory, TokenizerConfig config, Func<string, int?> find, PostProcessor otherwise)
    {
        IReadOnlyList<int> Side(bool? wanted, string flag, string role, string field, IReadOnlyList<int> stated) => wanted switch
        {
            null => stated,
            false => [],
            true => [(config.Named.TryGetValue(role, out string? token) ? find(token) : ModelIds.Read(directory, field))
                ?? throw new CheckpointException(Path.Combine(directory, TokenizerConfig.FileName), $"{flag} is true, but there is no {role} in the vocabulary")],
        };
        return new(
            Side(config.AddBegin, "add_bos_token", "bos_token", "bos_token_id", otherwise.Before),
            Side(config.AddEnd, "add_eos_token", "eos_token", "eos_token_id", otherwise.After));
    }
}
