namespace Portable.Vulkan.Devices;

/// <summary>
/// What a kernel may take of a device so that its compiler keeps values in registers: by facts, from what the vendors' compilers
/// made of every kernel (`portable bench pipelines`, the table in shaders/README.md).
/// </summary>
/// <param name="RowInvocations">Invocations of a workgroup that quantizes a row or decodes a token.</param>
/// <param name="DotInvocations">Invocations of a workgroup of packed dot products.</param>
/// <param name="Accumulators">32-bit matrix accumulators of an invocation.</param>
/// <param name="MatrixSubgroup">Subgroup size of kernels with cooperative matrices.</param>
internal sealed record DeviceBudget(int RowInvocations, int DotInvocations, int Accumulators, int MatrixSubgroup)
{
    /// <summary>Tokens of a workgroup of packed dot products.</summary>
    public int DotTokens { get; init; } = 8;

    /// <summary>32-bit registers of an invocation that a matrix tile's accumulators and its steps on the way to shared memory may take.</summary>
    public int TileRegisters { get; init; } = int.MaxValue;

    /// <summary>Invocations of a workgroup of attention with cooperative matrices: the more there are, the less each holds of the keys and values on their way.</summary>
    public int AttentionInvocations { get; init; } = 128;

    /// <summary>Subgroups of a workgroup of attention whose rows stay in registers; 0 where elements of matrices are not known to lie as it expects, or registers are too few.</summary>
    public int RowAttention { get; init; }

    /// <summary>Whether workgroups share K where few tokens and channels leave the device without work, before anything was tuned.</summary>
    public bool SplitsMatrices { get; init; }

    /// <summary>Whether attention takes few registers, with less on its way ahead; with cooperative matrices unless that spills and the other does not.</summary>
    public bool LeanAttention { get; init; }

    /// <summary>Vectors of a row of the head's table that an invocation has in flight.</summary>
    public int HeadAhead { get; init; } = 4;

    /// <summary>Tokens of which an invocation holds sums of four rows of the head's table; a power of two.</summary>
    public int HeadTokens { get; init; } = 8;

    /// <summary>Invocations of a workgroup that decodes a token of one of many sequences: several workgroups on a processor hide each other's waiting.</summary>
    public int CrowdInvocations { get; init; } = 256;

    private const uint Nvidia = 0x10DE, Amd = 0x1002, Intel = 0x8086;

    /// <summary>The budget of a device.</summary>
    public static DeviceBudget For(VulkanDeviceFacts device)
    {
        ArgumentNullException.ThrowIfNull(device);
        DeviceBudget budget = device switch
        {
            // A software device runs the invocations of a workgroup one after the other and pays for each barrier per invocation.
            { Kind: VulkanDeviceKind.Cpu } => new DeviceBudget(32, 1024, 160, device.SubgroupSize) { AttentionInvocations = 64 },
            { VendorId: Nvidia } when !device.Driver.StartsWith("NVK", StringComparison.Ordinal) => new DeviceBudget(1024, 1024, 160, device.SubgroupSize) { AttentionInvocations = 256, RowAttention = 4, SplitsMatrices = true, HeadTokens = 16 },
            // Workgroups of 1,024 leave an invocation 96 registers on RDNA 3, and decoding over a 16-bit cache takes more.
            { VendorId: Amd } => new DeviceBudget(512, 1024, 96, device.SubgroupSize),

            // 128 registers a thread, shared by its invocations: the fewest invocations have the most each.
            { VendorId: Intel } => new DeviceBudget(512, 256, 40, device.RequiresSubgroupSizes ? device.MinimumSubgroupSize : device.SubgroupSize) { DotTokens = 4, TileRegisters = 44, AttentionInvocations = 256, HeadAhead = 2, LeanAttention = true },

            // NVK, Adreno, Mali, Apple and whoever comes: what no compiler that was met spills.
            _ => new DeviceBudget(256, 256, 64, device.SubgroupSize),
        };
        return budget with { RowInvocations = Math.Min(budget.RowInvocations, device.MaximumInvocations), DotInvocations = Math.Min(budget.DotInvocations, device.MaximumInvocations) };
    }
}
