namespace Portable.Vulkan.Devices;

/// <summary>Kinds of devices, best first.</summary>
internal enum VulkanDeviceKind
{
    /// <summary>A card of its own.</summary>
    Discrete,

    /// <summary>Part of the processor.</summary>
    Integrated,

    /// <summary>A virtual GPU.</summary>
    Virtual,

    /// <summary>A software implementation.</summary>
    Cpu,

    /// <summary>Anything else.</summary>
    Other,
}

/// <summary>
/// What a device says of itself: plain data, apart from the live device, so that planners can be tested with invented facts.
/// </summary>
internal sealed record VulkanDeviceFacts
{
    /// <summary>Position in the loader's list.</summary>
    public int Index { get; init; }

    /// <summary>Device name.</summary>
    public string Name { get; init; } = "";

    /// <summary>Driver name and version as the driver prints them.</summary>
    public string Driver { get; init; } = "";

    /// <summary>Kind.</summary>
    public VulkanDeviceKind Kind { get; init; }

    /// <summary>PCI vendor.</summary>
    public uint VendorId { get; init; }

    /// <summary>PCI device.</summary>
    public uint DeviceId { get; init; }

    /// <summary>Vulkan version, for example 1.3.</summary>
    public Version ApiVersion { get; init; } = new(0, 0);

    /// <summary>Bytes of the largest device-local heap.</summary>
    public long MemoryBytes { get; init; }

    /// <summary>Default invocations of a subgroup.</summary>
    public int SubgroupSize { get; init; } = 32;

    /// <summary>Smallest subgroup size that a pipeline can require.</summary>
    public int MinimumSubgroupSize { get; init; } = 32;

    /// <summary>Largest subgroup size that a pipeline can require.</summary>
    public int MaximumSubgroupSize { get; init; } = 32;

    /// <summary>Whether a compute pipeline can require a subgroup size (requiredSubgroupSizeStages).</summary>
    public bool RequiresSubgroupSizes { get; init; } = true;

    /// <summary>Subgroups of a workgroup with a required subgroup size.</summary>
    public int MaximumSubgroups { get; init; } = 64;

    /// <summary>Whether a kernel can know the size of its subgroups: required, or there is only one.</summary>
    public bool KnowsSubgroupSize => RequiresSubgroupSizes || MinimumSubgroupSize == MaximumSubgroupSize;

    /// <summary>Shared memory of a workgroup, bytes.</summary>
    public int SharedMemoryBytes { get; init; } = 32768;

    /// <summary>Invocations of a workgroup.</summary>
    public int MaximumInvocations { get; init; } = 1024;

    /// <summary>Workgroups along x, y and z of a dispatch; the smallest of the three.</summary>
    public int MaximumWorkgroups { get; init; } = 65535;

    /// <summary>Bytes of one storage-buffer binding (buffers are reached by address, so it does not limit us; reported).</summary>
    public long MaximumBindingBytes { get; init; }

    /// <summary>Bytes of one allocation that are promised; more may be had.</summary>
    public long MaximumAllocationBytes { get; init; }

    /// <summary>Bytes of one buffer.</summary>
    public long MaximumBufferBytes { get; init; }

    /// <summary>Bytes of push constants.</summary>
    public int PushConstantBytes { get; init; } = 128;

    /// <summary>Processors that run workgroups, or 0 where the driver does not say.</summary>
    public int Processors { get; init; }

    /// <summary>Nanoseconds per timestamp tick; 0 when the queue has no timestamps.</summary>
    public double TimestampPeriod { get; init; }

    /// <summary>Valid bits of a timestamp: they wrap around.</summary>
    public int TimestampBits { get; init; } = 64;

    /// <summary>Whether the device's own memory is the host's too: no copy between them is needed.</summary>
    public bool UnifiedMemory { get; init; }

    /// <summary>Whether this is a layer over another API, which offers a subset of Vulkan (VK_KHR_portability_subset).</summary>
    public bool PortabilitySubset { get; init; }

    /// <summary>Arithmetic on bytes in shaders.</summary>
    public bool ShaderInt8 { get; init; }

    /// <summary>Bytes in storage buffers.</summary>
    public bool Storage8 { get; init; }

    /// <summary>16-bit elements in storage buffers.</summary>
    public bool Storage16 { get; init; }

    /// <summary>Arithmetic on f16 in shaders.</summary>
    public bool ShaderFloat16 { get; init; }

    /// <summary>Arithmetic on f64 in shaders.</summary>
    public bool ShaderFloat64 { get; init; }

    /// <summary>Packed 4×8-bit dot products (accelerated or not).</summary>
    public bool DotProduct { get; init; }

    /// <summary>Whether signed packed 4×8-bit dot products are accelerated.</summary>
    public bool DotProductAccelerated { get; init; }

    /// <summary>Whether packed 4×8-bit dot products of unsigned with signed bytes are accelerated.</summary>
    public bool MixedDotProductAccelerated { get; init; }

    /// <summary>Rounding to nearest even can be asked of f32.</summary>
    public bool RoundingModeRte32 { get; init; }

    /// <summary>Signed zero, infinity and NaN can be asked to be kept for f32.</summary>
    public bool SignedZeroInfNan32 { get; init; }

    /// <summary>KHR_cooperative_matrix is offered.</summary>
    public bool CooperativeMatrix { get; init; }

    /// <summary>NV_cooperative_matrix2 with workgroup scope is offered.</summary>
    public bool CooperativeMatrix2 { get; init; }

    /// <summary>The rows of the cooperative-matrix table.</summary>
    public IReadOnlyList<CooperativeMatrixShape> Matrices { get; init; } = [];

    /// <summary>Whether the driver tells what its compiler made of a kernel (VK_KHR_pipeline_executable_properties).</summary>
    public bool PipelineStatistics { get; init; }

    /// <summary>Whether kernels become code of this machine's own processor by LLVM, whatever kind the device says it is: that takes minutes over long unrolled code.</summary>
    public bool CompiledForHost => Kind == VulkanDeviceKind.Cpu || Driver.StartsWith("llvmpipe", StringComparison.Ordinal);

    /// <summary>Whether matrices of f32 can hold what M×N integer matrices hold.</summary>
    public bool HasFloatAccumulator(int m, int n) => Matrices.Any(s => s.M == m && s.N == n && !s.Workgroup && s.C == MatrixElement.Float32);

    /// <summary>Why the device cannot serve, or null.</summary>
    public string? Refusal { get; init; }

    /// <summary>Whether the device can serve.</summary>
    public bool Usable => Refusal is null;

    /// <summary>What who chose the device should know before the work, or null.</summary>
    public string? Caution => Kind == VulkanDeviceKind.Cpu
        ? $"vulkan:{Index} {Name} is software: it runs on this machine's CPU, several times slower than Portable does there without it"
        : null;

    /// <summary>What distinguishes this device and driver in caches.</summary>
    public string Key => FormattableString.Invariant($"{VendorId:x4}-{DeviceId:x4}-{Name}-{Driver}");
}
