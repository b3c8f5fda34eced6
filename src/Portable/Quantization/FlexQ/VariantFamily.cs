using Portable.Calibration;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;

namespace Portable.Quantization.FlexQ;

/// <summary>Variants of one block: layers of the same weights are in memory once, and so is the cache, as one variant runs at a time.</summary>
/// <param name="stage">Where they run; disposed of with this.</param>
/// <param name="keyValueBits">Bits of the cache.</param>
internal sealed class VariantFamily(BlockStage stage, int keyValueBits) : IDisposable
{
    private readonly Dictionary<object, DeviceLinear> _uploaded = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<(DeviceLinear First, int Bits), DeviceLinear> _reading = [];
    private DeviceCache? _cache;

    /// <summary>Makes a variant runnable, for as long as the family is there.</summary>
    public VariantBlock Load(BlockWeights weights)
    {
        TransformerBlock block = new(stage.Workspace, weights, keyValueBits, single: Share, cache: _cache);
        _cache = block.Cache;
        return new VariantBlock(stage, block);
    }

    /// <inheritdoc/>
    public void Dispose() => stage.Dispose();

    private DeviceLinear Share(LinearWeights linear)
    {
        // Variants with the same codes differ in the widths of activations.
        object weights = linear.Quantized is { } quantized ? quantized.Weights : linear.Float!;
        int bits = linear.Quantized?.Input.Format.Bits ?? 0;
        if (!_uploaded.TryGetValue(weights, out DeviceLinear? first))
        {
            _uploaded.Add(weights, first = stage.Executor.Upload([linear]));
            _reading.Add((first, bits), first);
        }

        if (!_reading.TryGetValue((first, bits), out DeviceLinear? shared))
        {
            _reading.Add((first, bits), shared = stage.Executor.Share(first, linear));
        }

        return shared;
    }
}
