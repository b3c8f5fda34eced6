using System.Diagnostics;
using System.Globalization;
using Portable.Cli.Output;

namespace Portable.Cli.Verbs;

/// <summary>Where the time from the start of the process to the first token went, in seconds.</summary>
/// <param name="Process">Until the verb ran: the runtime and the command line.</param>
/// <param name="Device">Opening the device, and what it has to prove or compile the first time.</param>
/// <param name="Load">Reading the checkpoint and taking it to the device.</param>
/// <param name="Prompt">Tokenizing the prompt and running the model on it.</param>
/// <param name="FirstToken">All of it.</param>
/// <param name="Bytes">Bytes of the checkpoint's tensor files.</param>
/// <param name="LoadBytesPerSecond">Bytes over <paramref name="Load"/>.</param>
/// <param name="ReadBytesPerSecond">What merely reading those files takes, measured afterwards in this process.</param>
internal sealed record StartTimes(double Process, double Device, double Load, double Prompt, double FirstToken, long Bytes, double LoadBytesPerSecond, double ReadBytesPerSecond)
{
    /// <summary>Makes the report.</summary>
    /// <param name="verb">Timestamp at which the verb began.</param>
    /// <param name="loaded">The model, which keeps its own two times.</param>
    /// <param name="first">Timestamp of the first token.</param>
    public static StartTimes Of(long verb, LanguageModel loaded, long first)
    {
        double process = (DateTime.Now - System.Diagnostics.Process.GetCurrentProcess().StartTime).TotalSeconds - Stopwatch.GetElapsedTime(verb).TotalSeconds;
        double total = Stopwatch.GetElapsedTime(verb, first).TotalSeconds, load = loaded.LoadTime.TotalSeconds, device = loaded.DeviceTime.TotalSeconds;
        (long bytes, double read) = ReadFiles(loaded.Directory);
        return new StartTimes(process, device, load, total - load - device, process + total, bytes, bytes / load, bytes / read);
    }

    /// <summary>Says it in a few lines.</summary>
    public void Print(Terminal terminal)
    {
        terminal.Message(string.Create(
            CultureInfo.InvariantCulture,
            $"first token after {FirstToken:F2} s: process {Process:F2}, device {Device:F2}, loading {Load:F2}, tokenizer and prompt {Prompt:F2}"));
        terminal.Message(string.Create(
            CultureInfo.InvariantCulture,
            $"loaded {Bytes / 1e6:F1} MB at {LoadBytesPerSecond / 1e9:F2} GB/s; reading the files alone {ReadBytesPerSecond / 1e9:F2} GB/s"));
    }

    private static (long Bytes, double Seconds) ReadFiles(string directory)
    {
        byte[] buffer = new byte[1 << 20];
        long bytes = 0, start = Stopwatch.GetTimestamp();
        foreach (string file in System.IO.Directory.EnumerateFiles(directory, "*.safetensors"))
        {
            using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            for (int read; (read = stream.Read(buffer)) > 0; bytes += read)
            {
            }
        }

        return (bytes, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }
}
