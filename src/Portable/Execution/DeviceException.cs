namespace Portable.Execution;

/// <summary>A device does not exist, cannot serve, or failed; the message is one line that says why and what would work.</summary>
public class DeviceException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One line.</param>
    /// <param name="inner">The cause, or null.</param>
    public DeviceException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
