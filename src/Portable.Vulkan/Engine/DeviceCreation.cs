using Portable.Vulkan.Devices;
using Portable.Vulkan.Instances;
using Silk.NET.Core.Native;
using Silk.NET.Vulkan;

namespace Portable.Vulkan.Engine;

using Device = Silk.NET.Vulkan.Device;

/// <summary>Creates a logical device with one compute queue and exactly the features that the facts report.</summary>
internal static unsafe class DeviceCreation
{
    /// <summary>Creates the device.</summary>
    public static Device Create(Vk api, PhysicalDevice physical, VulkanDeviceFacts facts, out uint family, out Queue queue)
    {
        family = DeviceQuery.ComputeFamily(api, physical).Index;
        float priority = 1;
        var queueInfo = new DeviceQueueCreateInfo { SType = StructureType.DeviceQueueCreateInfo, QueueFamilyIndex = family, QueueCount = 1, PQueuePriorities = &priority };

        var matrix2 = new PhysicalDeviceCooperativeMatrix2FeaturesNV
        {
            SType = StructureType.PhysicalDeviceCooperativeMatrix2FeaturesNV,
            CooperativeMatrixWorkgroupScope = true,
            CooperativeMatrixFlexibleDimensions = true,
            CooperativeMatrixTensorAddressing = true,
            CooperativeMatrixBlockLoads = true,
            CooperativeMatrixPerElementOperations = true,
            CooperativeMatrixConversions = true,
        };
        var matrix = new PhysicalDeviceCooperativeMatrixFeaturesKHR
        {
            SType = StructureType.PhysicalDeviceCooperativeMatrixFeaturesKhr,
            PNext = facts.CooperativeMatrix2 ? &matrix2 : null,
            CooperativeMatrix = true,
        };
        var v13 = new PhysicalDeviceVulkan13Features
        {
            SType = StructureType.PhysicalDeviceVulkan13Features,
            PNext = facts.CooperativeMatrix ? &matrix : null,
            Synchronization2 = true,
            SubgroupSizeControl = true,
            ComputeFullSubgroups = true,
            Maintenance4 = true,
            ShaderIntegerDotProduct = true,
        };
        var v12 = new PhysicalDeviceVulkan12Features
        {
            SType = StructureType.PhysicalDeviceVulkan12Features,
            PNext = &v13,
            BufferDeviceAddress = true,
            TimelineSemaphore = true,
            HostQueryReset = true,
            VulkanMemoryModel = true,
            VulkanMemoryModelDeviceScope = true,
            ShaderInt8 = facts.ShaderInt8,
            ShaderFloat16 = facts.ShaderFloat16,
            StorageBuffer8BitAccess = facts.Storage8,
        };
        var v11 = new PhysicalDeviceVulkan11Features
        {
            SType = StructureType.PhysicalDeviceVulkan11Features,
            PNext = &v12,
            StorageBuffer16BitAccess = facts.Storage16,
        };
        var executables = new PhysicalDevicePipelineExecutablePropertiesFeaturesKHR
        {
            SType = StructureType.PhysicalDevicePipelineExecutablePropertiesFeaturesKhr,
            PNext = &v11,
            PipelineExecutableInfo = true,
        };
        var features = new PhysicalDeviceFeatures2 { SType = StructureType.PhysicalDeviceFeatures2, PNext = facts.PipelineStatistics ? &executables : &v11, Features = new PhysicalDeviceFeatures { ShaderFloat64 = facts.ShaderFloat64 } };

        List<string> extensions = [];
        if (facts.CooperativeMatrix)
        {
            extensions.Add("VK_KHR_cooperative_matrix");
        }

        if (facts.CooperativeMatrix2)
        {
            extensions.Add("VK_NV_cooperative_matrix2");
        }

        if (facts.PipelineStatistics)
        {
            extensions.Add("VK_KHR_pipeline_executable_properties");
        }

        if (facts.PortabilitySubset)
        {
            extensions.Add("VK_KHR_portability_subset");
        }

        byte** names = (byte**)SilkMarshal.StringArrayToPtr(extensions);
        var create = new DeviceCreateInfo
        {
            SType = StructureType.DeviceCreateInfo,
            PNext = &features,
            QueueCreateInfoCount = 1,
            PQueueCreateInfos = &queueInfo,
            EnabledExtensionCount = (uint)extensions.Count,
            PpEnabledExtensionNames = names,
        };
        Device device;
        Result result = api.CreateDevice(physical, &create, null, &device);
        SilkMarshal.Free((nint)names);
        VulkanException.Check(result, $"Opening {facts.Name}");
        Queue q;
        api.GetDeviceQueue(device, family, 0, &q);
        queue = q;
        return device;
    }
}
