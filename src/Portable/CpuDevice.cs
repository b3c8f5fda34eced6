using Portable.Execution;

namespace Portable;

/// <summary>The managed CPU as a choice.</summary>
internal sealed class CpuDevice() : Device("cpu")
{
    internal override OpenedDevice Open(Action<string>? say) => new OpenedCpu();
}
