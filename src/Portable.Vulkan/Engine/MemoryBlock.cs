using Portable.Vulkan.Instances;
using Silk.NET.Vulkan;
using Buffer = Silk.NET.Vulkan.Buffer;

namespace Portable.Vulkan.Engine;

using Device = Silk.NET.Vulkan.Device;

/// <summary>One driver allocation with one buffer over the whole of it, cut into ranges by first fit.</summary>
internal sealed unsafe class MemoryBlock : IDisposable
{
    private readonly Vk _api;
    private readonly Device _device;
    private readonly SortedList<long, long> _free = [];

    public MemoryBlock(Vk api, Device device, MemoryKind kind, long size, Func<uint, (uint Type, bool Mapped)> chooseType)
    {
        (_api, _device, Kind, Size) = (api, device, kind, size);
        var info = new BufferCreateInfo
        {
            SType = StructureType.BufferCreateInfo,
            Size = (ulong)size,
            Usage = BufferUsageFlags.StorageBufferBit | BufferUsageFlags.TransferSrcBit | BufferUsageFlags.TransferDstBit | BufferUsageFlags.ShaderDeviceAddressBit,
            SharingMode = SharingMode.Exclusive,
        };
        Buffer buffer;
        VulkanException.Check(api.CreateBuffer(device, &info, null, &buffer), $"Creating a buffer of {size} bytes");
        Buffer = buffer;
        MemoryRequirements needs;
        api.GetBufferMemoryRequirements(device, buffer, &needs);
        (uint type, bool mapped) = chooseType(needs.MemoryTypeBits);
        var flags = new MemoryAllocateFlagsInfo { SType = StructureType.MemoryAllocateFlagsInfo, Flags = MemoryAllocateFlags.DeviceAddressBit };
        var allocate = new MemoryAllocateInfo
        {
            SType = StructureType.MemoryAllocateInfo,
            PNext = &flags,
            AllocationSize = needs.Size,
            MemoryTypeIndex = type,
        };
        DeviceMemory memory;
        Result result = api.AllocateMemory(device, &allocate, null, &memory);
        if (result != Result.Success)
        {
            api.DestroyBuffer(device, buffer, null);
            throw new VulkanException($"Allocating {size >> 20} MiB on the device", result);
        }

        Memory = memory;
        VulkanException.Check(api.BindBufferMemory(device, buffer, memory, 0), "Binding memory");
        if (mapped)
        {
            void* pointer;
            VulkanException.Check(api.MapMemory(device, memory, 0, Vk.WholeSize, 0, &pointer), "Mapping memory");
            Mapped = (byte*)pointer;
        }

        var address = new BufferDeviceAddressInfo { SType = StructureType.BufferDeviceAddressInfo, Buffer = buffer };
        Address = api.GetBufferDeviceAddress(device, &address);
        _free.Add(0, size);
    }

    public MemoryKind Kind { get; }

    public long Size { get; }

    public Buffer Buffer { get; }

    public DeviceMemory Memory { get; }

    public byte* Mapped { get; }

    public ulong Address { get; }

    /// <summary>Whether nothing is cut from it.</summary>
    public bool IsEmpty => _free.Count == 1 && _free.Values[0] == Size;

    /// <summary>Cuts a range, or returns −1.</summary>
    public long TryTake(long size)
    {
        for (int i = 0; i < _free.Count; i++)
        {
            (long offset, long length) = (_free.Keys[i], _free.Values[i]);
            if (length >= size)
            {
                _free.RemoveAt(i);
                if (length > size)
                {
                    _free.Add(offset + size, length - size);
                }

                return offset;
            }
        }

        return -1;
    }

    /// <summary>Returns a range and joins it with its free neighbours.</summary>
    public void Return(long offset, long size)
    {
        _free.Add(offset, size);
        int i = _free.IndexOfKey(offset);
        if (i + 1 < _free.Count && offset + size == _free.Keys[i + 1])
        {
            _free[offset] = size += _free.Values[i + 1];
            _free.RemoveAt(i + 1);
        }

        if (i > 0 && _free.Keys[i - 1] + _free.Values[i - 1] == offset)
        {
            _free[_free.Keys[i - 1]] += size;
            _free.RemoveAt(i);
        }
    }

    public void Dispose()
    {
        _api.DestroyBuffer(_device, Buffer, null);
        _api.FreeMemory(_device, Memory, null);
    }
}
