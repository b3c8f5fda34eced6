using Portable.Execution;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Model;

/// <summary>What a pass takes from the host before its first operation, and what it leaves there behind the last.</summary>
internal sealed class HostTransfers
{
    private readonly List<(VulkanActivation X, float[] Values)> _writes = [];
    private readonly List<(VulkanActivation X, GpuBuffer Rows, long Offset, long Bytes)> _loads = [], _leaves = [];
    private readonly List<(DeviceActivation X, StoredRows Rows, int First, int Count)> _reads = [];

    /// <summary>What the device cannot leave by itself.</summary>
    public IReadOnlyList<(DeviceActivation X, StoredRows Rows, int First, int Count)> Reads => _reads;

    /// <summary>Begins a pass.</summary>
    public void Clear()
    {
        _writes.Clear();
        _loads.Clear();
        _leaves.Clear();
        _reads.Clear();
    }

    /// <summary>Values to be written.</summary>
    public void Write(VulkanActivation x, float[] values) => _writes.Add((x, values));

    /// <summary>Floats of pinned rows that the device loads itself.</summary>
    public void Load(VulkanActivation x, VulkanRows rows, int first, int count) => _loads.Add((x, rows.Buffer, sizeof(float) * (long)first, sizeof(float) * (long)count));

    /// <summary>Floats that end in rows: the device's own copy where these are pinned.</summary>
    public void Leave(DeviceActivation x, StoredRows rows, int first, int count)
    {
        if (rows is VulkanRows pinned)
        {
            _leaves.Add(((VulkanActivation)x, pinned.Buffer, sizeof(float) * (long)first, sizeof(float) * (long)count));
        }
        else
        {
            _reads.Add((x, rows, first, count));
        }
    }

    /// <summary>Writes what the host gives itself. A pass that is run again writes it again.</summary>
    public void Upload(VulkanContext gpu)
    {
        foreach ((VulkanActivation x, float[] values) in _writes)
        {
            gpu.Upload<float>(values, x.Buffer);
        }
    }

    /// <summary>The commands that load, or null.</summary>
    public CommandList? Loads(VulkanContext gpu) => Record(gpu, _loads, (recorder, x, rows, offset, bytes) => recorder.Copy(rows, offset, x, 0, bytes));

    /// <summary>The commands that leave, or null.</summary>
    public CommandList? Leaves(VulkanContext gpu) => Record(gpu, _leaves, (recorder, x, rows, offset, bytes) => recorder.Copy(x, 0, rows, offset, bytes));

    private static CommandList? Record(VulkanContext gpu, List<(VulkanActivation X, GpuBuffer Rows, long Offset, long Bytes)> copies, Action<CommandRecorder, GpuBuffer, GpuBuffer, long, long> copy)
    {
        if (copies.Count == 0)
        {
            return null;
        }

        CommandRecorder recorder = gpu.Record();
        foreach ((VulkanActivation x, GpuBuffer rows, long offset, long bytes) in copies)
        {
            copy(recorder, x.Buffer, rows, offset, bytes);
        }

        return recorder.End();
    }
}
