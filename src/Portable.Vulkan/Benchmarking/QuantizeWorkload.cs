using Portable.Execution;
using Portable.Models;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Model;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Benchmarking;

/// <summary>What a model does before a matmul: rows of floats quantized and packed on the device, one read, one write.</summary>
internal sealed class QuantizeWorkload : IDisposable
{
    private readonly GpuBuffer _source;
    private readonly VulkanInput _input;
    private readonly PrepareShader _shader;
    private readonly PreparePush _push;
    private readonly int _rows;

    /// <summary>Makes rows of floats and room for their codes.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="rows">M.</param>
    /// <param name="layout">K and its groups.</param>
    /// <param name="quantizer">The quantizer.</param>
    public QuantizeWorkload(VulkanContext gpu, int rows, GroupLayout layout, ActivationQuantizer quantizer)
    {
        _rows = rows;
        _source = gpu.Allocate<float>(SyntheticLinear.Inputs(rows * layout.Columns));
        _input = new VulkanInput(new InputSpec(layout.Columns, quantizer, layout), gpu);
        _input.Resize(gpu, rows);
        int workgroup = ModelMemory.PrepareWorkgroupOf(gpu.Facts);
        _shader = new PrepareShader { Workgroup = workgroup, Quantizer = _input.Quantizer(workgroup), Source = PrepareSource.Copy };
        _push = new PreparePush { X = _source.Address, Prepared = _input.Addresses, Quantizer = _input.Sizes, SourceColumns = (uint)layout.Columns, InverseColumns = 1f / layout.Columns };
    }

    /// <summary>Where the codes go.</summary>
    public ActivationAddresses Codes => _input.Addresses;

    /// <summary>Records it.</summary>
    public void Record(CommandRecorder recorder) => recorder.Dispatch(_shader, _push, _rows);

    /// <inheritdoc/>
    public void Dispose()
    {
        _input.Dispose();
        _source.Dispose();
    }
}
