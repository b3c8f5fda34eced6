using System.Numerics.Tensors;
using Portable.Reference.Arithmetic.Gemm;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>
/// One decoder block over one sequence, forward and backward, with the activation and KV quantizers of the runtime: the
/// student of block reconstruction, and with 16-bit widths its teacher. Activations of one sequence are kept, no more.
/// </summary>
internal sealed class TrainingBlock
{
    private readonly BlockShape _shape;
    private readonly int _levels, _keyValueLevels;
    private readonly TrainingRotary? _rotary;
    private readonly TrainingNorm _attentionNorm, _mlpNorm;
    private readonly TrainingAttention _attention;
    private readonly QuantizedTensor _norm1, _q, _k, _v, _attended, _norm2, _h;
    private readonly float[] _x1, _gate, _up, _dGate, _dUp, _dHidden, _dNorm, _dX1;
    private int _count;

    /// <summary>Allocates the buffers of sequences of up to <paramref name="tokens"/> tokens.</summary>
    /// <param name="shape">Shape of the block.</param>
    /// <param name="tokens">T.</param>
    /// <param name="activationBits">Bits of the input of every linear, asymmetric per token; 16 = not quantized.</param>
    /// <param name="keyValueBits">Bits of q, k (after rotary) and v, asymmetric per token and head; 16 = not quantized.</param>
    /// <param name="rotary">Rotary positions, or null.</param>
    public TrainingBlock(BlockShape shape, int tokens, int activationBits, int keyValueBits, TrainingRotary? rotary)
    {
        _shape = shape;
        _rotary = rotary;
        _levels = activationBits == 16 ? 0 : (1 << activationBits) - 1;
        _keyValueLevels = keyValueBits == 16 ? 0 : (1 << keyValueBits) - 1;
        _attentionNorm = new TrainingNorm(tokens, shape.Hidden, shape.NormEpsilon);
        _mlpNorm = new TrainingNorm(tokens, shape.Hidden, shape.NormEpsilon);
        _attention = new TrainingAttention(shape, tokens);
        _norm1 = new QuantizedTensor(tokens, 1, shape.Hidden, _levels);
        _q = new QuantizedTensor(tokens, shape.Heads, shape.HeadSize, _keyValueLevels);
        _k = new QuantizedTensor(tokens, shape.KeyValueHeads, shape.HeadSize, _keyValueLevels);
        _v = new QuantizedTensor(tokens, shape.KeyValueHeads, shape.HeadSize, _keyValueLevels);
        _attended = new QuantizedTensor(tokens, 1, shape.QueryWidth, _levels);
        _norm2 = new QuantizedTensor(tokens, 1, shape.Hidden, _levels);
        _h = new QuantizedTensor(tokens, 1, shape.Intermediate, _levels);
        _x1 = new float[tokens * shape.Hidden];
        _gate = new float[shape.Gated ? tokens * shape.Intermediate : 0];
        _up = new float[tokens * shape.Intermediate];
        _dGate = new float[_gate.Length];
        _dUp = new float[_up.Length];
        _dHidden = new float[tokens * shape.Hidden];
        _dNorm = new float[tokens * shape.Hidden];
        _dX1 = new float[tokens * shape.Hidden];
    }

    /// <summary>Inputs of q/k/v, of the output layer, of gate/up and of down in the last forward pass, before quantization, [token × K].</summary>
    public float[] InputOf(BlockLinear linear) => linear switch
    {
        BlockLinear.Query or BlockLinear.Key or BlockLinear.Value => _norm1.Values,
        BlockLinear.Output => _attended.Values,
        BlockLinear.Gate or BlockLinear.Up => _norm2.Values,
        _ => _h.Values,
    };

    /// <summary>The same after the activation quantizer: what the layer multiplies.</summary>
    public float[] QuantizedInputOf(BlockLinear linear) => linear switch
    {
        BlockLinear.Query or BlockLinear.Key or BlockLinear.Value => _norm1.Quantized,
        BlockLinear.Output => _attended.Quantized,
        BlockLinear.Gate or BlockLinear.Up => _norm2.Quantized,
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
        _attentionNorm.Forward(x, parameters.AttentionGain, parameters.AttentionBias, _norm1.Values, count);
        _norm1.Quantize(count);
        Linear(parameters[BlockLinear.Query], _norm1.Quantized, _q.Values);
        Linear(parameters[BlockLinear.Key], _norm1.Quantized, _k.Values);
        Linear(parameters[BlockLinear.Value], _norm1.Quantized, _v.Values);
        _rotary?.Apply(_q.Values, count, _shape.Heads, _shape.HeadSize, backward: false);
        _rotary?.Apply(_k.Values, count, _shape.KeyValueHeads, _shape.HeadSize, backward: false);
        _q.Quantize(count);
        _k.Quantize(count);
        _v.Quantize(count);
        _attention.Forward(_q.Quantized, _k.Quantized, _v.Quantized, _attended.Values, count);
        _attended.Quantize(count);
        Linear(parameters[BlockLinear.Output], _attended.Quantized, _x1);
        Add(_x1, x);

        _mlpNorm.Forward(_x1, parameters.MlpGain, parameters.MlpBias, _norm2.Values, count);
        _norm2.Quantize(count);
        Linear(parameters[BlockLinear.Up], _norm2.Quantized, _up);
        if (_shape.Gated)
        {
            Linear(parameters[BlockLinear.Gate], _norm2.Quantized, _gate);
            TrainingActivation.Gate(_gate, _up, _h.Values, count, _shape.Intermediate);
        }
        else
        {
            TrainingActivation.Relu(_up, _h.Values, count, _shape.Intermediate);
        }

        _h.Quantize(count);
        Linear(parameters[BlockLinear.Down], _h.Quantized, y);
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
        int hidden = _shape.Hidden;
        LinearBackward(parameters[BlockLinear.Down], gradients[BlockLinear.Down], dy, _h.Quantized, _h.Gradient);
        _h.Backward(_count);
        if (_shape.Gated)
        {
            TrainingActivation.GateBackward(_gate, _up, _h.Gradient, _dGate, _dUp, _count, _shape.Intermediate);
        }
        else
        {
            TrainingActivation.ReluBackward(_up, _h.Gradient, _dUp, _count, _shape.Intermediate);
        }

        LinearBackward(parameters[BlockLinear.Up], gradients[BlockLinear.Up], _dUp, _norm2.Quantized, _norm2.Gradient);
        if (_shape.Gated)
        {
            LinearBackward(parameters[BlockLinear.Gate], gradients[BlockLinear.Gate], _dGate, _norm2.Quantized, _dNorm);
            Add(_norm2.Gradient, _dNorm);
        }

        _norm2.Backward(_count);
        dy.AsSpan(0, _count * hidden).CopyTo(_dX1);
        _mlpNorm.Backward(_norm2.Gradient, parameters.MlpGain, _dX1, gradients.MlpGain, gradients.MlpBias, _count);

        LinearBackward(parameters[BlockLinear.Output], gradients[BlockLinear.Output], _dX1, _attended.Quantized, _attended.Gradient);
        _attended.Backward(_count);
        _attention.Backward(_attended.Gradient, dAttention, _q.Gradient, _k.Gradient, _v.Gradient, _count);
        _q.Backward(_count);
        _k.Backward(_count);
        _v.Backward(_count);
        _rotary?.Apply(_q.Gradient, _count, _shape.Heads, _shape.HeadSize, backward: true);
        _rotary?.Apply(_k.Gradient, _count, _shape.KeyValueHeads, _shape.HeadSize, backward: true);
        LinearBackward(parameters[BlockLinear.Query], gradients[BlockLinear.Query], _q.Gradient, _norm1.Quantized, _norm1.Gradient);
        LinearBackward(parameters[BlockLinear.Key], gradients[BlockLinear.Key], _k.Gradient, _norm1.Quantized, _dNorm);
        Add(_norm1.Gradient, _dNorm);
        LinearBackward(parameters[BlockLinear.Value], gradients[BlockLinear.Value], _v.Gradient, _norm1.Quantized, _dNorm);
        Add(_norm1.Gradient, _dNorm);
        _norm1.Backward(_count);
        if (dx is not null)
        {
            _dX1.AsSpan(0, _count * hidden).CopyTo(dx);
        }

        _attentionNorm.Backward(_norm1.Gradient, parameters.AttentionGain, dx, gradients.AttentionGain, gradients.AttentionBias, _count);
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
        int length = _count * _shape.Hidden;
        TensorPrimitives.Add(target.AsSpan(0, length), addend.AsSpan(0, length), target.AsSpan(0, length));
    }
}
