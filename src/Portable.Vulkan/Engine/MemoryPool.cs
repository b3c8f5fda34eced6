using Portable.Vulkan.Devices;
using Portable.Vulkan.Instances;
using Silk.NET.Vulkan;

namespace Portable.Vulkan.Engine;

using Device = Silk.NET.Vulkan.Device;

/// <summary>
/// Sub-allocates buffers from blocks of 64 MiB (large ones get a block of their own), so that a model of thousands of
/// tensors stays far below the driver's limit of allocations. Thread-safe.
/// </summary>
internal sealed unsafe class MemoryPool(Vk api, Device device, PhysicalDevice physical, VulkanDeviceFacts facts, Action finishWork) : IDisposable
{
    private const long BlockBytes = 64L << 20;
    private const long Alignment = 256;
    private readonly Lock _lock = new();
    private readonly List<MemoryBlock> _blocks = [];

    /// <summary>Bytes of the device's own memory handed out; staging and read-back buffers lie in the host's.</summary>
    public long UsedBytes { get; private set; }

    /// <summary>Bytes taken from the driver.</summary>
    public long ReservedBytes => _blocks.Sum(b => b.Size);

    /// <summary>The most bytes of the device's own memory that were taken from the driver at one time.</summary>
    public long PeakDeviceBytes { get; private set; }

    /// <summary>Allocates a buffer.</summary>
    /// <exception cref="VulkanException">The device has no room, or forbids a buffer of this size.</exception>
    public GpuBuffer Allocate(long bytes, MemoryKind kind)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        long size = Math.Max(Alignment, (bytes + Alignment - 1) / Alignment * Alignment);
        if (size > facts.MaximumBufferBytes)
        {
            throw new VulkanException($"A buffer of {size >> 20} MiB exceeds what {facts.Name} allows at once ({facts.MaximumBufferBytes >> 20} MiB); use a smaller batch or context.");
        }

        lock (_lock)
        {
            foreach (MemoryBlock block in _blocks)
            {
                if (block.Kind == kind && block.TryTake(size) is >= 0 and var offset)
                {
                    return Count(new GpuBuffer(this, block, offset, size));
                }
            }

            MemoryBlock created = Create(size > BlockBytes / 2 ? size : Math.Min(BlockBytes, Math.Min(facts.MaximumAllocationBytes, facts.MaximumBufferBytes)), kind);
            _blocks.Add(created);
            PeakDeviceBytes = Math.Max(PeakDeviceBytes, _blocks.Where(b => b.Kind == MemoryKind.Device).Sum(b => b.Size));
            return Count(new GpuBuffer(this, created, created.TryTake(size), size));
        }
    }

    /// <summary>Takes a buffer back; a block that is wholly free goes back to the driver.</summary>
    public void Free(GpuBuffer buffer)
    {
        lock (_lock)
        {
            UsedBytes -= Counted(buffer);
            buffer.Block.Return(buffer.Offset, buffer.Size);
            if (buffer.Block.IsEmpty && _blocks.Remove(buffer.Block))
            {
                // Uploads run on: what a failed load gives back may still be written.
                finishWork();
                buffer.Block.Dispose();
            }
        }
    }

    public void Dispose()
    {
        foreach (MemoryBlock block in _blocks)
        {
            block.Dispose();
        }

        _blocks.Clear();
    }

    /// <summary>A block of its own. What a device promises to allocate at once is no limit: many give more, and the others say so.</summary>
    private MemoryBlock Create(long size, MemoryKind kind)
    {
        try
        {
            return new MemoryBlock(api, device, kind, size, bits => ChooseType(bits, kind));
        }
        catch (VulkanException e) when (size > facts.MaximumAllocationBytes && e.Code is Result.ErrorOutOfDeviceMemory or Result.ErrorOutOfHostMemory)
        {
            throw new VulkanException($"A buffer of {size >> 20} MiB could not be had: {facts.Name} promises {facts.MaximumAllocationBytes >> 20} MiB at once; use a smaller batch or context.");
        }
    }

    private GpuBuffer Count(GpuBuffer buffer)
    {
        UsedBytes += Counted(buffer);
        return buffer;
    }

    private static long Counted(GpuBuffer buffer) => buffer.Block.Kind == MemoryKind.Device ? buffer.Size : 0;

    // The type, and whether the host can map it.
    private (uint Type, bool Mapped) ChooseType(uint allowed, MemoryKind kind)
    {
        PhysicalDeviceMemoryProperties properties;
        api.GetPhysicalDeviceMemoryProperties(physical, &properties);
        MemoryPropertyFlags visible = MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCoherentBit;

        // Best first; a device-local type that the host can map is not taken for uploads: such windows are small. Where host and device
        // share their memory, everything lies in it and is written in place.
        (MemoryPropertyFlags Need, MemoryPropertyFlags Avoid)[] wishes = kind switch
        {
            MemoryKind.Device when facts.UnifiedMemory => [(MemoryPropertyFlags.DeviceLocalBit | visible, 0), (MemoryPropertyFlags.DeviceLocalBit, 0)],
            MemoryKind.Device => [(MemoryPropertyFlags.DeviceLocalBit, MemoryPropertyFlags.HostVisibleBit), (MemoryPropertyFlags.DeviceLocalBit, 0), (0, 0)],
            MemoryKind.Readback => [(visible | MemoryPropertyFlags.HostCachedBit, 0), (visible, 0)],
            _ => [(visible, MemoryPropertyFlags.DeviceLocalBit), (visible, 0)],
        };
        foreach ((MemoryPropertyFlags need, MemoryPropertyFlags avoid) in wishes)
        {
            for (int i = 0; i < properties.MemoryTypeCount; i++)
            {
                MemoryPropertyFlags flags = properties.MemoryTypes[i].PropertyFlags;
                if ((allowed >> i & 1) != 0 && (flags & need) == need && (flags & avoid) == 0)
                {
                    return ((uint)i, kind != MemoryKind.Device || (facts.UnifiedMemory && (flags & visible) == visible));
                }
            }
        }

        throw new VulkanException($"{facts.Name} offers no memory type for {kind} buffers.");
    }
}
