using Silk.NET.Vulkan;

namespace Portable.Vulkan.Engine;

/// <summary>Failures that a test asks a context for: what the driver would answer, at a chosen call.</summary>
internal sealed class FaultInjection
{
    private int _allocations = int.MaxValue, _submissions = int.MaxValue, _slowWaits;

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

    /// <summary>So many first waits for a submission seem to have taken an hour, as if the driver had reset the device under it.</summary>
    public int SlowWaits
    {
        init => _slowWaits = value;
    }

    /// <summary>So many workgroups of every linked dispatch never arrive.</summary>
    internal int AbsentWorkgroups { get; init; }

    /// <summary>Submissions are dropped: kernels are built and nothing runs, for devices that are not really there.</summary>
    internal bool RunsNothing { get; init; }

    /// <summary>Turns shaders into wrong ones, as a driver that computes wrongly.</summary>
    internal Func<Shader, Shader>? Plant { get; init; }

    /// <summary>How long the next wait for a submission seems to take beyond what it did.</summary>
    internal TimeSpan NextWait() => _slowWaits-- > 0 ? TimeSpan.FromHours(1) : TimeSpan.Zero;

    /// <summary>What the next allocation meets.</summary>
    internal Result NextAllocation() => _allocations-- > 0 ? Result.Success : Result.ErrorOutOfDeviceMemory;

    /// <summary>What the next submission meets.</summary>
    internal Result NextSubmission() => _submissions-- > 0 ? Result.Success : Result.ErrorDeviceLost;
}
