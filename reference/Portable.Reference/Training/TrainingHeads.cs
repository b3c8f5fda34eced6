using Portable.Reference.Blocks;

namespace Portable.Reference.Training;

/// <summary>The queries or keys of a sequence: normalised where the layout says so, turned by their positions, quantized per head.</summary>
internal sealed class TrainingHeads
{
    private readonly AttentionLayout _layout;
    private readonly BlockNorm _normName;
    private readonly TrainingNorm? _norm;
    private readonly TrainingRotary? _rotary;
    private readonly float[] _gradient;
    private readonly int _heads, _runsPerToken;

    /// <summary>Allocates the buffers.</summary>
    /// <param name="layout">The block.</param>
    /// <param name="name">The norm of the queries, or of the keys: which of them these are.</param>
    /// <param name="tokens">The most tokens T.</param>
    /// <param name="levels">The largest code; 0 = not quantized.</param>
    /// <param name="rotary">Rotary positions, or null.</param>
    public TrainingHeads(BlockLayout layout, BlockNorm name, int tokens, int levels, TrainingRotary? rotary)
    {
        (_layout, _normName, _rotary) = (layout.Attention, name, rotary);
        _heads = name == BlockNorm.Query ? _layout.Heads : _layout.KeyValueHeads;
        Tensor = new QuantizedTensor(tokens, _heads, _layout.HeadSize, levels);
        bool normalised = layout.Norms.Contains(name);
        _runsPerToken = _layout.QueryKeyNorm == QueryKeyNorm.Heads ? _heads : 1;
        _norm = normalised ? new TrainingNorm(tokens * _runsPerToken, layout.WidthOf(name), layout.NormEpsilon) : null;
        _gradient = new float[normalised ? Tensor.Values.Length : 0];
    }

    /// <summary>The linear's output goes into its values; the attention reads its quantized form and gives its gradient.</summary>
    public QuantizedTensor Tensor { get; }

    /// <summary>From the linear's output to what the attention reads.</summary>
    public void Forward(BlockTensors parameters, int count)
    {
        _norm?.Forward(Tensor.Values, parameters[_normName], Tensor.Values, count * _runsPerToken);
        _rotary?.Apply(Tensor.Values, count, _heads, _layout.HeadSize, queries: _normName == BlockNorm.Query, backward: false);
        Tensor.Quantize(count);
    }

    /// <summary>∂/∂ the linear's output; the gradient of the norm is overwritten.</summary>
    public float[] Backward(BlockTensors parameters, BlockTensors gradients, int count)
    {
        Tensor.Backward(count);
        _rotary?.Apply(Tensor.Gradient, count, _heads, _layout.HeadSize, queries: _normName == BlockNorm.Query, backward: true);
        if (_norm is null)
        {
            return Tensor.Gradient;
        }

        Array.Clear(_gradient);
        _norm.Backward(Tensor.Gradient, parameters[_normName], _gradient, gradients[_normName], count * _runsPerToken);
        return _gradient;
    }
}
