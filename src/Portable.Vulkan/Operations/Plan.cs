using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Operations;

/// <summary>What commands are recorded for: batches of one shape replay them.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Tiles">Tiles of rows that attend together.</param>
/// <param name="Matrices">Whether quantized caches are attended with cooperative matrices where they can be.</param>
/// <param name="LogitRows">Rows with logits.</param>
/// <param name="SingleTokens">Whether every row is the only one of its sequence.</param>
/// <param name="Stretches">Workgroups that share the context of a row's head in a decode step.</param>
internal readonly record struct PlanKey(int Rows, int Tiles, bool Matrices, int LogitRows, bool SingleTokens, int Stretches);

/// <summary>What lies between two timestamps.</summary>
/// <param name="Name">Name of the operation.</param>
/// <param name="Operations">Which operations of the list it serves.</param>
internal readonly record struct PlanStep(string Name, Range Operations);

/// <summary>One submission of a forward pass.</summary>
/// <param name="Commands">The commands.</param>
/// <param name="Operations">How many operations it holds.</param>
/// <param name="Nanoseconds">How long it is expected to run.</param>
internal sealed record PlanPart(CommandList Commands, int Operations, double Nanoseconds);

/// <summary>A recorded forward pass.</summary>
/// <param name="Operations">The calls that it was recorded from.</param>
/// <param name="Parts">The commands, cut into submissions that run one after another.</param>
/// <param name="Arguments">Buffers that only these commands use.</param>
/// <param name="Dispatches">Dispatches.</param>
/// <param name="Timestamps">Times after each named step, or null.</param>
/// <param name="Steps">The steps.</param>
internal sealed record Plan(IOperation[] Operations, IReadOnlyList<PlanPart> Parts, IReadOnlyList<GpuBuffer> Arguments, int Dispatches, TimestampPool? Timestamps, IReadOnlyList<PlanStep> Steps) : IDisposable
{
    /// <summary>When each part begins and ends, in turn; null where it is one submission that nobody measures, or the device has no timestamps.</summary>
    public TimestampPool? PartTimes { get; init; }

    /// <summary>How long its last run was waited for.</summary>
    public TimeSpan Took { get; set; }

    /// <summary>What its dispatches leave for each other without barriers; null: nothing.</summary>
    public LinkedRows? Rows { get; init; }

    public void Dispose()
    {
        foreach (PlanPart part in Parts)
        {
            part.Commands.Dispose();
        }

        Timestamps?.Dispose();
        PartTimes?.Dispose();
        Rows?.Dispose();
        foreach (GpuBuffer buffer in Arguments)
        {
            buffer.Dispose();
        }
    }
}
