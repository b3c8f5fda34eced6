using Silk.NET.Vulkan;

namespace Portable.Vulkan.Engine;

/// <summary>Failures that a test asks a context for: what the driver would answer, at a chosen call.</summary>
public sealed class FaultInjection
{
    private int _allocations = int.MaxValue, _submissions = int.MaxValue;

    /// <summary>The allocation after this many fails as if the device's memory were full.</summary>
    public int AllocationsUntilFull
    {
        init => _allocations = value;
    }

    /// <summary>The submission after this many fails as if the device were lost.</summary>
    public int SubmissionsUntilLost
    {
        init => _submissions = value;
    }

    /// <summary>What the next allocation meets.</summary>
    internal Result NextAllocation() => _allocations-- > 0 ? Result.Success : Result.ErrorOutOfDeviceMemory;

    /// <summary>What the next submission meets.</summary>
    internal Result NextSubmission() => _submissions-- > 0 ? Result.Success : Result.ErrorDeviceLost;
}
