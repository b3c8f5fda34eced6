namespace Portable;

/// <summary>Messages of refused arguments for who has no such argument: a command line, a client.</summary>
internal static class ArgumentMessages
{
    /// <summary>The message without the argument's name behind it.</summary>
    public static string Plain(this ArgumentException refusal) =>
        refusal.ParamName is { } name && refusal.Message.EndsWith($" (Parameter '{name}')", StringComparison.Ordinal) ? refusal.Message[..^$" (Parameter '{name}')".Length] : refusal.Message;
}
