using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Benchmarking;

/// <summary>
/// Random weights of one shape and scheme, with as many copies on the device to rotate over as none is in a cache when its
/// turn comes, and a few rows of activations.
/// </summary>
internal sealed class ColdWeights : IDisposable
{
    /// <summary>Rows of activations.</summary>
    public const int ActivationRows = 16;

    private const int MostCopies = 64;
    private readonly List<GpuLinear> _copies = [];

    /// <summary>Makes and uploads them.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="n">Channels.</param>
    /// <param name="k">Columns.</param>
    /// <param name="group">Columns per group, 0 = none.</param>
    /// <param name="w">Weight codes.</param>
    /// <param name="a">Activation codes.</param>
    /// <param name="bytes">Bytes of weights to rotate over; 0 = one copy (warm).</param>
    public ColdWeights(VulkanContext gpu, int n, int k, int group, CodeFormat w, CodeFormat a, long bytes)
    {
        (QuantizedLinear linear, Activations) = SyntheticMatmul.Random(ActivationRows, n, k, group, w, a, 1);
        Input = linear.Input;
        GpuLinear first = GpuLinear.Upload(gpu, [linear]);
        _copies.Add(first);
        for (long held = first.Bytes; held < bytes && _copies.Count < MostCopies; held += first.Bytes)
        {
            _copies.Add(first.Duplicate(gpu));
        }
    }

    /// <summary>The copies.</summary>
    public IReadOnlyList<GpuLinear> Copies => _copies;

    /// <summary>The rows.</summary>
    public QuantizedActivations Activations { get; }

    /// <summary>What would quantize such rows.</summary>
    public ActivationQuantizer Input { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (GpuLinear copy in _copies)
        {
            copy.Dispose();
        }
    }
}
