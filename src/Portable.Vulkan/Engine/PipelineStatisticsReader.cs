using Portable.Vulkan.Instances;
using Silk.NET.Core.Native;
using Silk.NET.Vulkan;

namespace Portable.Vulkan.Engine;

using Device = Silk.NET.Vulkan.Device;

/// <summary>Reads what a driver tells of a kernel. A driver that answers with an error tells nothing.</summary>
internal sealed unsafe class PipelineStatisticsReader
{
    private readonly Device _device;
    private readonly delegate* unmanaged<Device, PipelineInfoKHR*, uint*, PipelineExecutablePropertiesKHR*, Result> _properties;
    private readonly delegate* unmanaged<Device, PipelineExecutableInfoKHR*, uint*, PipelineExecutableStatisticKHR*, Result> _statistics;

    public PipelineStatisticsReader(VulkanInstance instance, Device device)
    {
        _device = device;
        _properties = (delegate* unmanaged<Device, PipelineInfoKHR*, uint*, PipelineExecutablePropertiesKHR*, Result>)instance.Proc("vkGetPipelineExecutablePropertiesKHR");
        _statistics = (delegate* unmanaged<Device, PipelineExecutableInfoKHR*, uint*, PipelineExecutableStatisticKHR*, Result>)instance.Proc("vkGetPipelineExecutableStatisticsKHR");
    }

    /// <summary>Numbers by name; of several executables of a kernel the largest.</summary>
    public IReadOnlyDictionary<string, long> Read(Pipeline pipeline)
    {
        Dictionary<string, long> numbers = new(StringComparer.Ordinal);
        var info = new PipelineInfoKHR { SType = StructureType.PipelineInfoKhr, Pipeline = pipeline };
        uint executables = 0;
        if (_properties == null || _statistics == null || _properties(_device, &info, &executables, null) != Result.Success)
        {
            return numbers;
        }

        for (uint i = 0; i < executables; i++)
        {
            var executable = new PipelineExecutableInfoKHR { SType = StructureType.PipelineExecutableInfoKhr, Pipeline = pipeline, ExecutableIndex = i };
            uint count = 0;
            if (_statistics(_device, &executable, &count, null) != Result.Success)
            {
                continue;
            }

            var rows = new PipelineExecutableStatisticKHR[count];
            rows.AsSpan().Fill(new PipelineExecutableStatisticKHR { SType = StructureType.PipelineExecutableStatisticKhr });
            fixed (PipelineExecutableStatisticKHR* p = rows)
            {
                _ = _statistics(_device, &executable, &count, p);
                for (int j = 0; j < count; j++)
                {
                    string name = SilkMarshal.PtrToString((nint)p[j].Name) ?? "";
                    long value = p[j].Format switch
                    {
                        PipelineExecutableStatisticFormatKHR.Bool32Khr => p[j].Value.B32 ? 1 : 0,
                        PipelineExecutableStatisticFormatKHR.Int64Khr => p[j].Value.I64,
                        PipelineExecutableStatisticFormatKHR.Uint64Khr => (long)p[j].Value.U64,
                        _ => (long)p[j].Value.F64,
                    };
                    numbers[name] = Math.Max(numbers.GetValueOrDefault(name), value);
                }
            }
        }

        return numbers;
    }
}
