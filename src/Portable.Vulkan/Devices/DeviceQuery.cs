using System.Runtime.InteropServices;
using Portable.Vulkan.Instances;
using Silk.NET.Core.Native;
using Silk.NET.Vulkan;

namespace Portable.Vulkan.Devices;

/// <summary>Reads a physical device's facts from the driver.</summary>
internal static unsafe class DeviceQuery
{
    /// <summary>All physical devices, in the loader's order.</summary>
    public static PhysicalDevice[] Enumerate(VulkanInstance instance)
    {
        uint count = 0;
        VulkanException.Check(instance.Api.EnumeratePhysicalDevices(instance.Handle, &count, null), "Listing Vulkan devices");
        var devices = new PhysicalDevice[count];
        fixed (PhysicalDevice* p = devices)
        {
            VulkanException.Check(instance.Api.EnumeratePhysicalDevices(instance.Handle, &count, p), "Listing Vulkan devices");
        }

        return devices;
    }

    /// <summary>The facts of one device, unmasked.</summary>
    public static VulkanDeviceFacts Read(VulkanInstance instance, PhysicalDevice device, int index)
    {
        Vk api = instance.Api;
        PhysicalDeviceProperties basic;
        api.GetPhysicalDeviceProperties(device, &basic);
        var version = new Version((int)(basic.ApiVersion >> 22) & 0x7f, (int)(basic.ApiVersion >> 12) & 0x3ff);
        var facts = new VulkanDeviceFacts
        {
            Index = index,
            Name = SilkMarshal.PtrToString((nint)basic.DeviceName) ?? "",
            VendorId = basic.VendorID,
            DeviceId = basic.DeviceID,
            ApiVersion = version,
            Kind = basic.DeviceType switch
            {
                PhysicalDeviceType.DiscreteGpu => VulkanDeviceKind.Discrete,
                PhysicalDeviceType.IntegratedGpu => VulkanDeviceKind.Integrated,
                PhysicalDeviceType.VirtualGpu => VulkanDeviceKind.Virtual,
                PhysicalDeviceType.Cpu => VulkanDeviceKind.Cpu,
                _ => VulkanDeviceKind.Other,
            },
        };
        if (version < new Version(1, 3))
        {
            return facts with { Refusal = VulkanRefusals.OldDriver(version) };
        }

        HashSet<string> extensions = Extensions(api, device);
        facts = ReadProperties(api, device, facts) with { Processors = Processors(api, device, extensions) };
        return ReadMatrices(instance, device, ReadFeatures(api, device, facts, extensions), extensions);
    }

    private static int Processors(Vk api, PhysicalDevice device, HashSet<string> extensions)
    {
        if (!extensions.Contains("VK_NV_shader_sm_builtins"))
        {
            return 0;
        }

        var processors = new PhysicalDeviceShaderSMBuiltinsPropertiesNV { SType = StructureType.PhysicalDeviceShaderSMBuiltinsPropertiesNV };
        var all = new PhysicalDeviceProperties2 { SType = StructureType.PhysicalDeviceProperties2, PNext = &processors };
        api.GetPhysicalDeviceProperties2(device, &all);
        return Counted(processors.ShaderSmcount);
    }

    private static HashSet<string> Extensions(Vk api, PhysicalDevice device)
    {
        uint count = 0;
        api.EnumerateDeviceExtensionProperties(device, (byte*)null, &count, null);
        var properties = new ExtensionProperties[count];
        var names = new HashSet<string>(StringComparer.Ordinal);
        fixed (ExtensionProperties* p = properties)
        {
            api.EnumerateDeviceExtensionProperties(device, (byte*)null, &count, p);
            for (int i = 0; i < count; i++)
            {
                names.Add(SilkMarshal.PtrToString((nint)p[i].ExtensionName) ?? "");
            }
        }

        return names;
    }

    private static VulkanDeviceFacts ReadProperties(Vk api, PhysicalDevice device, VulkanDeviceFacts facts)
    {
        var v13 = new PhysicalDeviceVulkan13Properties { SType = StructureType.PhysicalDeviceVulkan13Properties };
        var v12 = new PhysicalDeviceVulkan12Properties { SType = StructureType.PhysicalDeviceVulkan12Properties, PNext = &v13 };
        var v11 = new PhysicalDeviceVulkan11Properties { SType = StructureType.PhysicalDeviceVulkan11Properties, PNext = &v12 };
        var all = new PhysicalDeviceProperties2 { SType = StructureType.PhysicalDeviceProperties2, PNext = &v11 };
        api.GetPhysicalDeviceProperties2(device, &all);
        PhysicalDeviceLimits limits = all.Properties.Limits;

        PhysicalDeviceMemoryProperties memory;
        api.GetPhysicalDeviceMemoryProperties(device, &memory);
        long largest = 0;
        for (int i = 0; i < memory.MemoryHeapCount; i++)
        {
            if (memory.MemoryHeaps[i].Flags.HasFlag(MemoryHeapFlags.DeviceLocalBit))
            {
                largest = Math.Max(largest, (long)memory.MemoryHeaps[i].Size);
            }
        }

        // On a device with memory of its own, a window into it that the host can map is small or slow.
        const MemoryPropertyFlags Shared = MemoryPropertyFlags.DeviceLocalBit | MemoryPropertyFlags.HostVisibleBit | MemoryPropertyFlags.HostCoherentBit;
        bool unified = false;
        for (int i = 0; i < memory.MemoryTypeCount && facts.Kind is (VulkanDeviceKind.Integrated or VulkanDeviceKind.Cpu); i++)
        {
            unified |= memory.MemoryTypes[i].PropertyFlags.HasFlag(Shared);
        }

        int timestampBits = (int)ComputeFamily(api, device).TimestampBits;

        return facts with
        {
            Driver = $"{SilkMarshal.PtrToString((nint)v12.DriverName)} {SilkMarshal.PtrToString((nint)v12.DriverInfo)}",
            MemoryBytes = largest,
            SubgroupSize = (int)v11.SubgroupSize,
            MinimumSubgroupSize = (int)v13.MinSubgroupSize,
            MaximumSubgroupSize = (int)v13.MaxSubgroupSize,
            SharedMemoryBytes = Counted(limits.MaxComputeSharedMemorySize),
            MaximumInvocations = Counted(Math.Min(limits.MaxComputeWorkGroupInvocations, limits.MaxComputeWorkGroupSize[0])),
            MaximumWorkgroups = Counted(Math.Min(limits.MaxComputeWorkGroupCount[0], Math.Min(limits.MaxComputeWorkGroupCount[1], limits.MaxComputeWorkGroupCount[2]))),
            MaximumBindingBytes = limits.MaxStorageBufferRange,
            MaximumAllocationBytes = (long)Math.Min(v11.MaxMemoryAllocationSize, long.MaxValue),
            MaximumBufferBytes = (long)Math.Min(v13.MaxBufferSize, long.MaxValue),
            PushConstantBytes = Counted(limits.MaxPushConstantsSize),
            TimestampPeriod = timestampBits > 0 ? limits.TimestampPeriod : 0,
            TimestampBits = timestampBits,
            UnifiedMemory = unified,
            RequiresSubgroupSizes = v13.RequiredSubgroupSizeStages.HasFlag(ShaderStageFlags.ComputeBit),
            MaximumSubgroups = Counted(v13.MaxComputeWorkgroupSubgroups),
            Refusal = RefuseSubgroups(v11),
            DotProductAccelerated = v13.IntegerDotProduct4x8BitPackedSignedAccelerated,
            MixedDotProductAccelerated = v13.IntegerDotProduct4x8BitPackedMixedSignednessAccelerated,
            RoundingModeRte32 = v12.ShaderRoundingModeRtefloat32,
            SignedZeroInfNan32 = v12.ShaderSignedZeroInfNanPreserveFloat32,
        };
    }

    /// <summary>The queue family that serves: the first that computes. On every desktop driver it also has timestamps; a compute-only family may not.</summary>
    /// <returns>Its index and the valid bits of its timestamps, 0: none.</returns>
    /// <exception cref="VulkanException">There is none.</exception>
    public static (uint Index, uint TimestampBits) ComputeFamily(Vk api, PhysicalDevice physical)
    {
        uint count = 0;
        api.GetPhysicalDeviceQueueFamilyProperties(physical, &count, null);
        QueueFamilyProperties[] families = new QueueFamilyProperties[count];
        fixed (QueueFamilyProperties* p = families)
        {
            api.GetPhysicalDeviceQueueFamilyProperties(physical, &count, p);
        }

        int index = Array.FindIndex(families, f => f.QueueFlags.HasFlag(QueueFlags.ComputeBit));
        return index < 0 ? throw new VulkanException("The device has no compute queue.") : ((uint)index, families[index].TimestampValidBits);
    }

    // Drivers say "no limit" with all bits set; products of such numbers must not overflow.
    private static int Counted(uint limit) => (int)Math.Min(limit, 1u << 20);

    // What the quantizing and attention shaders ask of subgroups beside the basics.
    private static string? RefuseSubgroups(in PhysicalDeviceVulkan11Properties properties)
    {
        const SubgroupFeatureFlags Needed = SubgroupFeatureFlags.BasicBit | SubgroupFeatureFlags.VoteBit | SubgroupFeatureFlags.ArithmeticBit;
        SubgroupFeatureFlags missing = Needed & ~properties.SubgroupSupportedOperations;
        return !properties.SubgroupSupportedStages.HasFlag(ShaderStageFlags.ComputeBit) ? "the driver offers no subgroup operations in compute shaders"
            : missing != 0 ? $"the driver lacks subgroup operations ({missing})"
            : null;
    }

    private static VulkanDeviceFacts ReadFeatures(Vk api, PhysicalDevice device, VulkanDeviceFacts facts, HashSet<string> extensions)
    {
        bool khr = extensions.Contains("VK_KHR_cooperative_matrix"), nv = extensions.Contains("VK_NV_cooperative_matrix2");
        var matrix2 = new PhysicalDeviceCooperativeMatrix2FeaturesNV { SType = StructureType.PhysicalDeviceCooperativeMatrix2FeaturesNV };
        var matrix = new PhysicalDeviceCooperativeMatrixFeaturesKHR { SType = StructureType.PhysicalDeviceCooperativeMatrixFeaturesKhr, PNext = nv ? &matrix2 : null };
        var v13 = new PhysicalDeviceVulkan13Features { SType = StructureType.PhysicalDeviceVulkan13Features, PNext = khr ? &matrix : null };
        var v12 = new PhysicalDeviceVulkan12Features { SType = StructureType.PhysicalDeviceVulkan12Features, PNext = &v13 };
        var v11 = new PhysicalDeviceVulkan11Features { SType = StructureType.PhysicalDeviceVulkan11Features, PNext = &v12 };
        var all = new PhysicalDeviceFeatures2 { SType = StructureType.PhysicalDeviceFeatures2, PNext = &v11 };
        api.GetPhysicalDeviceFeatures2(device, &all);

        (string Name, bool Present)[] needed =
        [
            ("bufferDeviceAddress", v12.BufferDeviceAddress),
            ("timelineSemaphore", v12.TimelineSemaphore),
            ("hostQueryReset", v12.HostQueryReset),
            ("vulkanMemoryModel", v12.VulkanMemoryModel),
            ("vulkanMemoryModelDeviceScope", v12.VulkanMemoryModelDeviceScope),
            ("synchronization2", v13.Synchronization2),
            ("subgroupSizeControl", v13.SubgroupSizeControl),
            ("computeFullSubgroups", v13.ComputeFullSubgroups),
            ("maintenance4", v13.Maintenance4),
            ("shaderIntegerDotProduct", v13.ShaderIntegerDotProduct),
        ];
        string[] missing = [.. needed.Where(n => !n.Present).Select(n => n.Name)];
        return facts with
        {
            ShaderInt8 = v12.ShaderInt8,
            ShaderFloat16 = v12.ShaderFloat16,
            ShaderFloat64 = all.Features.ShaderFloat64,
            Storage8 = v12.StorageBuffer8BitAccess,
            Storage16 = v11.StorageBuffer16BitAccess,
            DotProduct = v13.ShaderIntegerDotProduct,
            CooperativeMatrix = khr && matrix.CooperativeMatrix && v12.ShaderInt8,
            CooperativeMatrix2 = nv && khr && matrix2.CooperativeMatrixWorkgroupScope,
            // NVIDIA's own driver is left alone: its kernels are tuned by measuring, and it keeps its cache for ordinary ones.
            PipelineStatistics = extensions.Contains("VK_KHR_pipeline_executable_properties") && !facts.Driver.StartsWith("NVIDIA ", StringComparison.Ordinal),
            PortabilitySubset = extensions.Contains("VK_KHR_portability_subset"),
            Refusal = missing.Length == 0 ? facts.Refusal : VulkanRefusals.MissingFeatures(missing),
        };
    }

    private static VulkanDeviceFacts ReadMatrices(VulkanInstance instance, PhysicalDevice device, VulkanDeviceFacts facts, HashSet<string> extensions)
    {
        var shapes = new List<CooperativeMatrixShape>();
        var khr = (delegate* unmanaged<PhysicalDevice, uint*, CooperativeMatrixPropertiesKHR*, Result>)instance.Proc("vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR");
        if (facts.CooperativeMatrix && khr != null)
        {
            uint count = 0;
            VulkanException.Check(khr(device, &count, null), "Reading cooperative-matrix shapes");
            var rows = new CooperativeMatrixPropertiesKHR[count];
            rows.AsSpan().Fill(new CooperativeMatrixPropertiesKHR { SType = StructureType.CooperativeMatrixPropertiesKhr });
            fixed (CooperativeMatrixPropertiesKHR* p = rows)
            {
                VulkanException.Check(khr(device, &count, p), "Reading cooperative-matrix shapes");
            }

            shapes.AddRange(rows.Where(r => !r.SaturatingAccumulation && r.CType == r.ResultType).Select(r => new CooperativeMatrixShape(
                (int)r.MSize, (int)r.NSize, (int)r.KSize, (MatrixElement)r.AType, (MatrixElement)r.BType, (MatrixElement)r.CType, (int)r.Scope == 2)));
        }

        var flexible = (delegate* unmanaged<PhysicalDevice, uint*, CooperativeMatrixFlexibleDimensionsPropertiesNV*, Result>)
            instance.Proc("vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV");
        if (facts.CooperativeMatrix2 && flexible != null)
        {
            uint count = 0;
            VulkanException.Check(flexible(device, &count, null), "Reading workgroup matrix shapes");
            var rows = new CooperativeMatrixFlexibleDimensionsPropertiesNV[count];
            rows.AsSpan().Fill(new CooperativeMatrixFlexibleDimensionsPropertiesNV { SType = StructureType.CooperativeMatrixFlexibleDimensionsPropertiesNV });
            fixed (CooperativeMatrixFlexibleDimensionsPropertiesNV* p = rows)
            {
                VulkanException.Check(flexible(device, &count, p), "Reading workgroup matrix shapes");
            }

            shapes.AddRange(rows.Where(r => !r.SaturatingAccumulation && r.CType == r.ResultType && (int)r.Scope == 2).Select(r => new CooperativeMatrixShape(
                (int)r.MGranularity, (int)r.NGranularity, (int)r.KGranularity, (MatrixElement)r.AType, (MatrixElement)r.BType, (MatrixElement)r.CType, true, (int)r.WorkgroupInvocations)));
        }

        return facts with { Matrices = shapes };
    }
}
