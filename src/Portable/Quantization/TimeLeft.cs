namespace Portable.Quantization;

/// <summary>Times that are estimates.</summary>
internal static class TimeLeft
{
    /// <summary>Seconds below two minutes, minutes below two hours, else hours.</summary>
    public static string Text(double seconds) => seconds switch
    {
        < 119.5 => FormattableString.Invariant($"{seconds:F0} s"),
        < 119.5 * 60 => FormattableString.Invariant($"{seconds / 60:F0} min"),
        _ => FormattableString.Invariant($"{seconds / 3600:F1} h"),
    };
}
