using System.Diagnostics;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.SelfChecks;

namespace Portable.Vulkan.Contact;

/// <summary>What the helper program of a first check says, a line each: what it does, and at the end the result.</summary>
internal sealed class ContactOutput
{
    /// <summary>How a line begins that says what is being done.</summary>
    public const string StepPrefix = "step ";

    /// <summary>How the last line begins.</summary>
    public const string ResultPrefix = "result ";

    private long _begun = Stopwatch.GetTimestamp();

    /// <summary>Whether the program has run at all.</summary>
    public bool Started { get; private set; }

    /// <summary>What it did last.</summary>
    public string Step { get; private set; } = "starting";

    /// <summary>How long it has been at it.</summary>
    public TimeSpan StepTime => Stopwatch.GetElapsedTime(Volatile.Read(ref _begun));

    /// <summary>The result, or null.</summary>
    public SelfCheckResult? Result { get; private set; }

    /// <summary>Takes a line. Drivers may write there too: other lines are theirs.</summary>
    public void Read(string? line)
    {
        if (line?.StartsWith(StepPrefix, StringComparison.Ordinal) == true)
        {
            (Started, Step) = (true, line[StepPrefix.Length..]);
            Volatile.Write(ref _begun, Stopwatch.GetTimestamp());
        }
        else if (line?.StartsWith(ResultPrefix, StringComparison.Ordinal) == true)
        {
            Result = SelfCheckResult.Parse(System.Text.Encoding.UTF8.GetBytes(line[ResultPrefix.Length..]));
        }
    }
}
