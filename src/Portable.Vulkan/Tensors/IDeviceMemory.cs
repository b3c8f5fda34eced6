namespace Portable.Vulkan.Tensors;

/// <summary>Something on the device that operations read and write: barriers keep their order.</summary>
internal interface IDeviceMemory
{
    /// <summary>What a barrier protects: itself, or the memory that it shares with others.</summary>
    IDeviceMemory Memory => this;
}
