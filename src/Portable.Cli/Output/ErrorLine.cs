using System.Reflection;
using System.Text;
using Portable.Chat.Templates;
using Portable.Checkpoints;
using Portable.Execution;

namespace Portable.Cli.Output;

/// <summary>Turns an exception into the one line that a failed verb prints.</summary>
internal static class ErrorLine
{
    /// <summary>The reason on one line: messages of expected failures as they are, others with the exception's type.</summary>
    /// <param name="exception">What happened.</param>
    /// <param name="cpu">Whether the verb runs on the CPU, too.</param>
    public static string Of(Exception exception, bool cpu = true)
    {
        while ((exception is AggregateException or TargetInvocationException) && exception.InnerException is { } inner)
        {
            exception = inner;
        }

        // To use the CPU is no advice where it cannot be used, and nobody typed a parameter's name.
        string whole = exception switch
        {
            DeviceException device when !cpu => device.Reason,
            ArgumentException argument => argument.Plain(),
            _ => exception.Message,
        };
        string message = string.Join(' ', whole.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        bool fault = exception is NullReferenceException or IndexOutOfRangeException or InvalidCastException or KeyNotFoundException;
        return exception switch
        {
            // The framework's own words name types, and a byte's place in a buffer.
            OutOfMemoryException => "out of memory",
            DecoderFallbackException => "standard input: not UTF-8",
            OverflowException => "a size is larger than this program can count: give smaller ones",
            // The library speaks of its devices; here they are chosen by an option.
            DeviceMemoryException => message
                .Replace("lower Context, Sequences or CacheTokens, or use the device cpu", "a shorter context or fewer texts at once, or --device cpu", StringComparison.Ordinal)
                .Replace("lower Context, Sequences or CacheTokens", "use a shorter context or fewer texts at once", StringComparison.Ordinal),
            DeviceException when cpu => message.Replace("the device cpu", "--device cpu", StringComparison.Ordinal).Replace("The device cpu", "--device cpu", StringComparison.Ordinal),
            CheckpointException => message.Replace("(overwrite replaces it)", "(--overwrite replaces it)", StringComparison.Ordinal).Replace("or overwrite it", "or discard it with --overwrite", StringComparison.Ordinal)
                .Replace("run the same quantization again", "run the quantize command again", StringComparison.Ordinal),
            // A template's own words do not say whose they are.
            TemplateException { IsRaised: true } => "the model's chat template refuses these messages: " + message,
            TemplateException => "the model's chat template cannot be rendered: " + message,
            _ when fault => $"internal fault, {exception.GetType().Name}: {message} (at {exception.StackTrace?.Split('\n')[0].Trim()})",
            _ => message,
        };
    }
}
