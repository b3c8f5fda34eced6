namespace Portable.Execution;

/// <summary>A device does not exist, cannot serve, or failed; the message is one line that says why and what would work.</summary>
public class DeviceException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One line.</param>
    /// <param name="inner">The cause, or null.</param>
    public DeviceException(string message, Exception? inner = null)
        : base(message, inner) => Reason = message;

    /// <summary>Creates the error with advice that not every caller can follow.</summary>
    /// <param name="reason">One line: why.</param>
    /// <param name="advice">A sentence behind it: what would work.</param>
    internal DeviceException(string reason, string advice)
        : base($"{reason} {advice}") => Reason = reason;

    /// <summary>The message without the advice behind it.</summary>
    internal string Reason { get; }
}
