using System.Globalization;

namespace Portable.Execution;

/// <summary>A model and the texts asked of it do not fit into the memory that there is; told before that memory is taken, so that it can be asked for less.</summary>
public sealed class DeviceMemoryException : DeviceException
{
    /// <summary>Creates the error.</summary>
    /// <param name="device">The device.</param>
    /// <param name="what">What takes the memory, in words ("The model needs 3.2 GB").</param>
    /// <param name="sequences">Texts at once.</param>
    /// <param name="context">Positions of each.</param>
    /// <param name="needed">Bytes that it takes.</param>
    /// <param name="available">Bytes that there are.</param>
    /// <param name="elsewhere">Whether fewer bits, or the device cpu, would help too.</param>
    /// <param name="inner">The cause, or null.</param>
    internal DeviceMemoryException(string device, string what, int sequences, int context, long needed, long available, bool elsewhere = false, Exception? inner = null)
        : base(Text(device, what, sequences, context, available, elsewhere), inner) =>
        (Sequences, Context, NeededBytes, AvailableBytes) = (sequences, context, needed, available);

    /// <summary>Texts at once that were asked for.</summary>
    public int Sequences { get; }

    /// <summary>Positions of each text that were asked for.</summary>
    public int Context { get; }

    /// <summary>Bytes that it takes, about.</summary>
    public long NeededBytes { get; }

    /// <summary>Bytes that there are: of a GPU, those that are free; of the CPU, those that the process may have.</summary>
    public long AvailableBytes { get; }

    private static string Text(string device, string what, int sequences, int context, long available, bool elsewhere) => string.Create(
        CultureInfo.InvariantCulture,
        $"{what} for {sequences:N0} {(sequences == 1 ? "text" : "texts")} of {context:N0} tokens, and {device} has {available / 1e9:F2} GB; {(elsewhere ? "use fewer bits, " : "")}lower Context, Sequences or CacheTokens{(elsewhere ? ", or use the device cpu" : "")}.");
}
