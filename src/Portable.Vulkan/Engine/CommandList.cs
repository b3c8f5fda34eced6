using Silk.NET.Vulkan;

namespace Portable.Vulkan.Engine;

/// <summary>Recorded commands: submitted any number of times, one at a time. The buffers it names must outlive it.</summary>
internal sealed unsafe class CommandList : IDisposable
{
    private readonly VulkanContext _context;
    private readonly CommandPool _pool;

    internal CommandList(VulkanContext context, CommandPool pool, CommandBuffer handle) => (_context, _pool, Handle) = (context, pool, handle);

    internal CommandBuffer Handle { get; }

    /// <summary>The ticket of its last submission, 0 before the first.</summary>
    internal ulong LastTicket { get; set; }

    /// <summary>Waits for its last submission and releases it.</summary>
    public void Dispose()
    {
        _context.WaitBeforeRelease(LastTicket);
        _context.Api.DestroyCommandPool(_context.Device, _pool, null);
    }
}
