using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Instances;
using Silk.NET.Core.Native;
using Silk.NET.Vulkan;

namespace Portable.Vulkan.Engine;

using Device = Silk.NET.Vulkan.Device;

/// <summary>Makes pipelines once per shader and constants, with the driver's cache kept on disk between runs. Thread-safe.</summary>
internal sealed unsafe class PipelineStore : IDisposable
{
    private readonly Vk _api;
    private readonly Device _device;
    private readonly VulkanDeviceFacts _facts;
    private readonly PipelineStatisticsReader? _reader;
    private readonly string _path;
    private readonly PipelineCache _cache;
    private readonly ConcurrentDictionary<Shader, Lazy<ComputePipeline>> _pipelines = new();
    private readonly ConcurrentDictionary<string, Lazy<ShaderModule>> _modules = new();
    private readonly ConcurrentDictionary<int, Lazy<PipelineLayout>> _layouts = new();
    private bool _changed;

    public PipelineStore(VulkanInstance instance, Device device, VulkanDeviceFacts facts)
    {
        Vk api = instance.Api;
        (_api, _device, _facts) = (api, device, facts);
        _reader = facts.PipelineStatistics ? new PipelineStatisticsReader(instance, device) : null;
        _path = UserCache.PathOf("pipelines", facts.Key + ShaderLibrary.Hash);
        byte[] saved = UserCache.TryRead(_path) ?? [];
        fixed (byte* p = saved)
        {
            var info = new PipelineCacheCreateInfo { SType = StructureType.PipelineCacheCreateInfo, InitialDataSize = (nuint)saved.Length, PInitialData = p };
            PipelineCache cache;
            VulkanException.Check(api.CreatePipelineCache(device, &info, null, &cache), "Creating the pipeline cache");
            _cache = cache;
        }
    }

    /// <summary>The pipeline of a shader with its constants.</summary>
    public ComputePipeline Get(Shader shader) => _pipelines.GetOrAdd(shader, s => new Lazy<ComputePipeline>(() => Create(s))).Value;

    /// <summary>Every pipeline that has been built.</summary>
    public IReadOnlyList<(Shader Shader, ComputePipeline Pipeline)> Built => [.. _pipelines.Where(p => p.Value.IsValueCreated).Select(p => (p.Key, p.Value.Value))];

    public void Dispose()
    {
        Save();
        foreach (Lazy<ComputePipeline> pipeline in _pipelines.Values.Where(p => p.IsValueCreated))
        {
            _api.DestroyPipeline(_device, pipeline.Value.Handle, null);
        }

        foreach (Lazy<ShaderModule> module in _modules.Values.Where(p => p.IsValueCreated))
        {
            _api.DestroyShaderModule(_device, module.Value, null);
        }

        foreach (Lazy<PipelineLayout> layout in _layouts.Values.Where(p => p.IsValueCreated))
        {
            _api.DestroyPipelineLayout(_device, layout.Value, null);
        }

        _api.DestroyPipelineCache(_device, _cache, null);
    }

    private void Save()
    {
        nuint size = 0;
        if (_changed && _api.GetPipelineCacheData(_device, _cache, &size, null) == Result.Success && size > 0)
        {
            byte[] data = new byte[(int)size];
            fixed (byte* p = data)
            {
                if (_api.GetPipelineCacheData(_device, _cache, &size, p) == Result.Success)
                {
                    UserCache.TryWrite(_path, data.AsSpan(0, (int)size));
                }
            }
        }
    }

    private ComputePipeline Create(Shader shader)
    {
        _changed = true;
        ShaderModule module = _modules.GetOrAdd(shader.Name, name => new Lazy<ShaderModule>(() => CreateModule(name))).Value;
        PipelineLayout layout = _layouts.GetOrAdd(shader.PushBytes, bytes => new Lazy<PipelineLayout>(() => CreateLayout(bytes))).Value;
        IReadOnlyList<SpecializationConstant> constants = SpecializationConstants.Of(shader);
        var entries = new SpecializationMapEntry[constants.Count];
        uint[] values = new uint[constants.Count];
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = new SpecializationMapEntry { ConstantID = constants[i].Id, Offset = (uint)(4 * i), Size = 4 };
            values[i] = constants[i].Bits;
        }

        nint name = SilkMarshal.StringToPtr("main");
        var size = new PipelineShaderStageRequiredSubgroupSizeCreateInfo
        {
            SType = StructureType.PipelineShaderStageRequiredSubgroupSizeCreateInfo,
            RequiredSubgroupSize = (uint)shader.SubgroupSize,
        };
        fixed (SpecializationMapEntry* map = entries)
        fixed (uint* data = values)
        {
            var special = new SpecializationInfo { MapEntryCount = (uint)entries.Length, PMapEntries = map, DataSize = (nuint)(4 * values.Length), PData = data };
            var create = new ComputePipelineCreateInfo
            {
                SType = StructureType.ComputePipelineCreateInfo,
                Layout = layout,
                Flags = _reader is null ? 0 : PipelineCreateFlags.CreateCaptureStatisticsBitKhr,
                Stage = new PipelineShaderStageCreateInfo
                {
                    SType = StructureType.PipelineShaderStageCreateInfo,
                    PNext = shader.SubgroupSize > 0 && _facts.RequiresSubgroupSizes ? &size : null,
                    Flags = shader.SubgroupSize > 0 ? PipelineShaderStageCreateFlags.RequireFullSubgroupsBit : 0,
                    Stage = ShaderStageFlags.ComputeBit,
                    Module = module,
                    PName = (byte*)name,
                    PSpecializationInfo = &special,
                },
            };
            Pipeline pipeline;

            // No longer than what the processors gave to this process: on a crowded machine the compiler waits, and that is not its fault.
            (long begun, TimeSpan worked) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
            Result result = _api.CreateComputePipelines(_device, _cache, 1, &create, null, &pipeline);
            double seconds = Math.Min(Stopwatch.GetElapsedTime(begun).TotalSeconds, (Environment.CpuUsage.TotalTime - worked).TotalSeconds);
            SilkMarshal.Free(name);
            VulkanException.Check(result, $"Building the kernel '{shader.Name}'");
            return new ComputePipeline(pipeline, layout, new PipelineStatistics(seconds, _reader?.Read(pipeline) ?? new Dictionary<string, long>()));
        }
    }

    private ShaderModule CreateModule(string name)
    {
        byte[] code = ShaderLibrary.Load(name);
        fixed (byte* p = code)
        {
            var info = new ShaderModuleCreateInfo { SType = StructureType.ShaderModuleCreateInfo, CodeSize = (nuint)code.Length, PCode = (uint*)p };
            ShaderModule module;
            VulkanException.Check(_api.CreateShaderModule(_device, &info, null, &module), $"Loading the shader '{name}'");
            return module;
        }
    }

    private PipelineLayout CreateLayout(int bytes)
    {
        var range = new PushConstantRange { StageFlags = ShaderStageFlags.ComputeBit, Size = (uint)bytes };
        var info = new PipelineLayoutCreateInfo { SType = StructureType.PipelineLayoutCreateInfo, PushConstantRangeCount = bytes > 0 ? 1u : 0u, PPushConstantRanges = &range };
        PipelineLayout layout;
        VulkanException.Check(_api.CreatePipelineLayout(_device, &info, null, &layout), "Creating a pipeline layout");
        return layout;
    }
}
