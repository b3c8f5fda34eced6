namespace Portable.Cli.CommandLine;

/// <summary>What Ctrl-C does while a verb has a use of its own for it; otherwise it stops the verb.</summary>
internal static class InterruptKey
{
    private static volatile Action? s_use;

    /// <summary>Uses the key until the result is disposed of.</summary>
    public static IDisposable Use(Action use)
    {
        Action? before = s_use;
        s_use = use;
        return new Restored(before);
    }

    /// <summary>Called on the signal.</summary>
    /// <returns>Whether somebody had a use for it.</returns>
    public static bool Press()
    {
        Action? use = s_use;
        use?.Invoke();
        return use is not null;
    }

    private sealed class Restored(Action? before) : IDisposable
    {
        public void Dispose() => s_use = before;
    }
}
