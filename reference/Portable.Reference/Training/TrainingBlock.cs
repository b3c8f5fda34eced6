using System.Numerics.Tensors;
using Portable.Reference.Arithmetic;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Blocks;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>
/// One decoder block over one sequence, forward and backward, with the activation and KV quantizers of the runtime: the
/// student of block reconstruction, and with 16-bit widths its teacher. Activations of one sequence are kept, no more.
/// </summary>
internal sealed class TrainingBlock
{
    private readonly BlockLayout _layout;
    private readonly int _levels, _keyValueLevels;
    private readonly TrainingRotary? _rotary;
    private readonly TrainingNorm _attentionNorm, _mlpNorm;
    private readonly TrainingAttention _attention;
    private readonly QuantizedTensor _norm1, _q, _k, _v, _attended, _norm2, _h;
    private readonly float[] _x1, _gate, _up, _dGate, _dUp, _dHidden, _dNorm, _dX1;
    private int _count;

    /// <summary>Allocates the buffers of sequences of up to <paramref name="tokens"/> tokens.</summary>
    /// <param name="layout">The block.</param>
    /// <param name="tokens">T.</param>
    /// <param name="activationBits">Bits of the input of every linear, asymmetric per token; 16 = not quantized.</param>
    /// <param name="keyValueBits">Bits of q, k (after rotary) and v, asymmetric per token and head; 16 = not quantized.</param>
    /// <param name="rotary">Rotary positions, or null.</param>
    public TrainingBlock(BlockLayout layout, int tokens, int activationBits, int keyValueBits, TrainingRotary? rotary)
    {
        _layout = layout;
        _rotary = rotary;
        _levels = activationBits == 16 ? 0 : (1 << activationBits) - 1;
        _keyValueLevels = keyValueBits == 16 ? 0 : (1 << keyValueBits) - 1;
        _attentionNorm = new TrainingNorm(tokens, layout.Hidden, layout.NormEpsilon);
        _mlpNorm = new TrainingNorm(tokens, layout.Hidden, layout.NormEpsilon);
        _attention = new TrainingAttention(layout.Attention, tokens);
        _norm1 = new QuantizedTensor(tokens, 1, layout.Hidden, _levels);
        _q = new QuantizedTensor(tokens, layout.Attention.Heads, layout.Attention.HeadSize, _keyValueLevels);
        _k = new QuantizedTensor(tokens, layout.Attention.KeyValueHeads, layout.Attention.HeadSize, _keyValueLevels);
        _v = new QuantizedTensor(tokens, layout.Attention.KeyValueHeads, layout.Attention.HeadSize, _keyValueLevels);
        _attended = new QuantizedTensor(tokens, 1, layout.Attention.QueryWidth, _levels);
        _norm2 = new QuantizedTensor(tokens, 1, layout.Hidden, _levels);
        _h = new QuantizedTensor(tokens, 1, layout.Intermediate, _levels);
        _x1 = new float[tokens * layout.Hidden];
        _gate = new float[layout.Gated ? tokens * layout.Intermediate : 0];
        _up = new float[tokens * layout.Intermediate];
        _dGate = new float[_gate.Length];
        _dUp = new float[_up.Length];
        _dHidden = new float[tokens * layout.Hidden];
        _dNorm = new float[tokens * layout.Hidden];
        _dX1 = new float[tokens * layout.Hidden];
    }

    /// <summary>What of a layout has no gradients here, or null where all has.</summary>
    public static string? Refusal(BlockLayout layout) =>
        layout.NormPlace != NormPlace.Before ? "norms behind attention and MLP"
        : layout.Attention.QueryKeyNorm != QueryKeyNorm.None ? "norms of queries and keys"
        : layout.Attention.Softcap != 0 ? "softcaps"
        : layout.Attention.Window != 0 ? "attention windows"
        : layout.Activation != (layout.Gated ? ActivationKind.Silu : ActivationKind.Relu) ? $"the activation {layout.Activation}"
        : layout.Rotary is { } rotary && (rotary.Dimensions != layout.Attention.HeadSize || rotary.Scaling?.QueryFactor(int.MaxValue) is { } factor && factor != 1) ? "positions that turn a part of a head or make queries grow"
        : null;

    /// <summary>Inputs of q/k/v, of the output layer, of gate/up and of down in the last forward pass, before quantization, [token × K].</summary>
    public float[] InputOf(BlockSlot linear) => linear switch
    {
        BlockSlot.Query or BlockSlot.Key or BlockSlot.Value => _norm1.Values,
        BlockSlot.Output => _attended.Values,
        BlockSlot.Gate or BlockSlot.Up => _norm2.Values,
        _ => _h.Values,
    };

    /// <summary>The same after the activation quantizer: what the layer multiplies.</summary>
    public float[] QuantizedInputOf(BlockSlot linear) => linear switch
    {
        BlockSlot.Query or BlockSlot.Key or BlockSlot.Value => _norm1.Quantized,
        BlockSlot.Output => _attended.Quantized,
        BlockSlot.Gate or BlockSlot.Up => _norm2.Quantized,
        _ => _h.Quantized,
    };

    /// <summary>y of a sequence; keeps what <see cref="Backward"/> needs.</summary>
    /// <param name="parameters">Weights as they are multiplied (quantized and dequantized for a student).</param>
    /// <param name="x">[token × hidden].</param>
    /// <param name="y">Like <paramref name="x"/>.</param>
    /// <param name="count">Tokens.</param>
    public void Forward(BlockTensors parameters, float[] x, float[] y, int count)
    {
        _count = count;
        _attentionNorm.Forward(x, parameters[BlockNorm.Attention], _norm1.Values, count);
        _norm1.Quantize(count);
        Linear(parameters[BlockSlot.Query], _norm1.Quantized, _q.Values);
        Linear(parameters[BlockSlot.Key], _norm1.Quantized, _k.Values);
        Linear(parameters[BlockSlot.Value], _norm1.Quantized, _v.Values);
        _rotary?.Apply(_q.Values, count, _layout.Attention.Heads, _layout.Attention.HeadSize, backward: false);
        _rotary?.Apply(_k.Values, count, _layout.Attention.KeyValueHeads, _layout.Attention.HeadSize, backward: false);
        _q.Quantize(count);
        _k.Quantize(count);
        _v.Quantize(count);
        _attention.Forward(_q.Quantized, _k.Quantized, _v.Quantized, _attended.Values, count);
        _attended.Quantize(count);
        Linear(parameters[BlockSlot.Output], _attended.Quantized, _x1);
        Add(_x1, x);

        _mlpNorm.Forward(_x1, parameters[BlockNorm.Mlp], _norm2.Values, count);
        _norm2.Quantize(count);
        Linear(parameters[BlockSlot.Up], _norm2.Quantized, _up);
        if (_layout.Gated)
        {
            Linear(parameters[BlockSlot.Gate], _norm2.Quantized, _gate);
            TrainingActivation.Gate(_gate, _up, _h.Values, count, _layout.Intermediate);
        }
        else
        {
            TrainingActivation.Relu(_up, _h.Values, count, _layout.Intermediate);
        }

        _h.Quantize(count);
        Linear(parameters[BlockSlot.Down], _h.Quantized, y);
        Add(y, _x1);
    }

    /// <summary>Attention probabilities of the last forward pass, averaged over heads, [query × tokens + key].</summary>
    public void MeanAttention(float[] mean) => _attention.MeanProbabilities(mean, _count);

    /// <summary>Gradients of the last forward pass.</summary>
    /// <param name="parameters">The parameters of that pass.</param>
    /// <param name="dy">∂/∂y.</param>
    /// <param name="dAttention">∂/∂ mean attention, or null.</param>
    /// <param name="gradients">Overwritten.</param>
    /// <param name="dx">∂/∂x, overwritten; null where nobody needs it.</param>
    public void Backward(BlockTensors parameters, float[] dy, float[]? dAttention, BlockTensors gradients, float[]? dx = null)
    {
        int hidden = _layout.Hidden;
        LinearBackward(parameters[BlockSlot.Down], gradients[BlockSlot.Down], dy, _h.Quantized, _h.Gradient);
        _h.Backward(_count);
        if (_layout.Gated)
        {
            TrainingActivation.GateBackward(_gate, _up, _h.Gradient, _dGate, _dUp, _count, _layout.Intermediate);
        }
        else
        {
            TrainingActivation.ReluBackward(_up, _h.Gradient, _dUp, _count, _layout.Intermediate);
        }

        LinearBackward(parameters[BlockSlot.Up], gradients[BlockSlot.Up], _dUp, _norm2.Quantized, _norm2.Gradient);
        if (_layout.Gated)
        {
            LinearBackward(parameters[BlockSlot.Gate], gradients[BlockSlot.Gate], _dGate, _norm2.Quantized, _dNorm);
            Add(_norm2.Gradient, _dNorm);
        }

        _norm2.Backward(_count);
        dy.AsSpan(0, _count * hidden).CopyTo(_dX1);
        _mlpNorm.Backward(_norm2.Gradient, parameters[BlockNorm.Mlp], _dX1, gradients[BlockNorm.Mlp], _count);

        LinearBackward(parameters[BlockSlot.Output], gradients[BlockSlot.Output], _dX1, _attended.Quantized, _attended.Gradient);
        _attended.Backward(_count);
        _attention.Backward(_attended.Gradient, dAttention, _q.Gradient, _k.Gradient, _v.Gradient, _count);
        _q.Backward(_count);
        _k.Backward(_count);
        _v.Backward(_count);
        _rotary?.Apply(_q.Gradient, _count, _layout.Attention.Heads, _layout.Attention.HeadSize, backward: true);
        _rotary?.Apply(_k.Gradient, _count, _layout.Attention.KeyValueHeads, _layout.Attention.HeadSize, backward: true);
        LinearBackward(parameters[BlockSlot.Query], gradients[BlockSlot.Query], _q.Gradient, _norm1.Quantized, _norm1.Gradient);
        LinearBackward(parameters[BlockSlot.Key], gradients[BlockSlot.Key], _k.Gradient, _norm1.Quantized, _dNorm);
        Add(_norm1.Gradient, _dNorm);
        LinearBackward(parameters[BlockSlot.Value], gradients[BlockSlot.Value], _v.Gradient, _norm1.Quantized, _dNorm);
        Add(_norm1.Gradient, _dNorm);
        _norm1.Backward(_count);
        if (dx is not null)
        {
            _dX1.AsSpan(0, _count * hidden).CopyTo(dx);
        }

        _attentionNorm.Backward(_norm1.Gradient, parameters[BlockNorm.Attention], dx, gradients[BlockNorm.Attention], _count);
    }

    private void Linear(LinearTensors layer, float[] x, float[] y)
    {
        FloatGemm.Multiply(x.AsSpan(0, _count * layer.Columns), layer.Weight, y.AsSpan(0, _count * layer.Rows), _count, layer.Rows, layer.Columns);
        if (layer.Bias is { } bias)
        {
            WorkerPool.Run(_count, t => TensorPrimitives.Add(y.AsSpan(t * layer.Rows, layer.Rows), bias, y.AsSpan(t * layer.Rows, layer.Rows)));
        }
    }

    private void LinearBackward(LinearTensors layer, LinearTensors gradient, float[] dy, float[] x, float[] dx)
    {
        ReadOnlySpan<float> upstream = dy.AsSpan(0, _count * layer.Rows), input = x.AsSpan(0, _count * layer.Columns);
        FloatGemm.MultiplyNN(upstream, layer.Weight, dx.AsSpan(0, _count * layer.Columns), _count, layer.Columns, layer.Rows);
        FloatGemm.MultiplyTN(upstream, input, gradient.Weight, layer.Rows, layer.Columns, _count);
        if (gradient.Bias is { } bias)
        {
            ColumnMath.SumColumns(dy, bias, _count, layer.Rows);
        }
    }

    private void Add(float[] target, float[] addend)
    {
        int length = _count * _layout.Hidden;
        TensorPrimitives.Add(target.AsSpan(0, length), addend.AsSpan(0, length), target.AsSpan(0, length));
    }
}
