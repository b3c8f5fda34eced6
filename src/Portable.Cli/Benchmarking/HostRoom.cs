using System.Globalization;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Cli.Benchmarking;

/// <summary>Whether the machine holds a synthetic model, asked before any of it is made: a system that has promised too much ends the process without a word.</summary>
internal static class HostRoom
{
    /// <summary>Refuses a model that the CPU cannot hold; a GPU says so itself.</summary>
    /// <param name="device">Where it would run.</param>
    /// <param name="config">The model.</param>
    /// <param name="scheme">Its scheme.</param>
    /// <param name="sequences">Texts at once.</param>
    /// <param name="context">Positions of each.</param>
    /// <exception cref="InvalidOperationException">It does not fit.</exception>
    public static void Require(Device device, ModelConfig config, QuantizationScheme scheme, int sequences, int context)
    {
        if (device is not CpuDevice)
        {
            return;
        }

        MemoryEstimate estimate = CpuMemory.Of(config, scheme, ElementType.Float16, sequences, context);
        long room = CacheRoom.MachineBytes;
        if (estimate.Total > room)
        {
            throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"the model needs {estimate} and this machine has {room / 1e9:F2} GB; use fewer bits, a shorter context, fewer texts at once, or fewer blocks"));
        }
    }
}
