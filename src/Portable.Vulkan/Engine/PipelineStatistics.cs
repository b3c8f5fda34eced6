namespace Portable.Vulkan.Engine;

/// <summary>What a driver tells of a kernel that it has built (VK_KHR_pipeline_executable_properties), in the words of all drivers.</summary>
/// <param name="Seconds">How long building took; next to nothing where it lay in the driver's cache.</param>
/// <param name="Numbers">The driver's own numbers by their names; empty where it gives none.</param>
internal sealed record PipelineStatistics(double Seconds, IReadOnlyDictionary<string, long> Numbers)
{
    /// <summary>Registers of an invocation, or of a subgroup where the driver counts so; 0 where unknown.</summary>
    public long Registers => First("VGPRs", "Max live registers", "Registers (full)", "Full registers", "GPRs", "Register Count", "Registers", "Number of GPRs", "Registers used");

    /// <summary>Registers, or loads and stores of registers, that went to memory.</summary>
    public long Spills => Sum("Spilled VGPRs", "Spill count", "Spills", "Spills to memory", "STP Count", "Spilled SGPRs");

    /// <summary>Bytes of memory that an invocation takes beside shared memory.</summary>
    public long ScratchBytes => First("Scratch size", "Scratch Memory Size", "SLM size", "Local Memory Size");

    private long First(params string[] names) => names.Select(n => Numbers.GetValueOrDefault(n)).FirstOrDefault(v => v != 0);

    private long Sum(params string[] names) => names.Sum(n => Numbers.GetValueOrDefault(n));
}
