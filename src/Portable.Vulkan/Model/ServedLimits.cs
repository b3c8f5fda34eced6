using System.Globalization;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Model;

/// <summary>What a device can hold and attend to; the rest is refused before anything is uploaded.</summary>
/// <param name="facts">The device.</param>
/// <param name="name">What it is called in messages.</param>
internal sealed class ServedLimits(VulkanDeviceFacts facts, string name)
{
    /// <summary>Refuses a table that the shaders or the device cannot hold in one buffer.</summary>
    public void Require(TableWeights table)
    {
        // Shaders count elements in 32 bits, and reach words by signed indices; codes are reached by vectors of 16 bytes.
        long counted = table.Float is { } floats && (long)table.Rows * table.Columns > uint.MaxValue ? uint.MaxValue * (floats.Bytes / table.Rows / table.Columns) : 4L * int.MaxValue;
        long limit = Math.Min(counted, Math.Min(facts.MaximumAllocationBytes, facts.MaximumBufferBytes));
        if (table.Bytes > limit)
        {
            throw new VulkanException($"A table of {table.Rows}×{table.Columns} elements takes {table.Bytes >> 20} MiB, and {name} holds at most {limit >> 20} MiB in one buffer; the device cpu serves it.");
        }
    }

    /// <summary>Refuses a cache that the kernels cannot serve.</summary>
    public void Require(CacheShape shape)
    {
        if (AttentionLimits.Refusal(facts, shape) is { } refusal)
        {
            throw new VulkanException($"{name} cannot attend: {refusal}; use the device cpu.");
        }

        if (VulkanCache.Slots(shape) * VulkanCache.HeadWords(shape) > uint.MaxValue)
        {
            long words = VulkanCache.Slots(shape) * VulkanCache.HeadWords(shape);
            throw new DeviceMemoryException(
                name, string.Create(CultureInfo.InvariantCulture, $"A block's keys take {words / 2.5e8:F2} GB"), shape.Sequences, shape.Capacity, sizeof(uint) * words, sizeof(uint) * (long)uint.MaxValue, elsewhere: true);
        }
    }
}
