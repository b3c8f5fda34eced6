using System.Numerics.Tensors;
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
    private readonly TrainingInput _attentionInput, _mlpInput;
    private readonly TrainingOutput _attentionOutput, _mlpOutput;
    private readonly TrainingHeads _q, _k;
    private readonly TrainingAttention _attention;
    private readonly QuantizedTensor _v, _attended, _h;
    private readonly float[] _x1, _gate, _up, _dGate, _dUp, _dInput, _dX1;
    private int _count;

    /// <summary>Allocates the buffers of sequences of up to <paramref name="tokens"/> tokens.</summary>
    /// <param name="layout">The block.</param>
    /// <param name="tokens">T.</param>
    /// <param name="activationBits">Bits of the input of every linear, asymmetric per token; 16 = not quantized.</param>
    /// <param name="keyValueBits">Bits of q, k (after rotary) and v, asymmetric per token and head; 16 = not quantized.</param>
    /// <param name="rotary">Rotary positions, or null.</param>
    /// <param name="activationGroup">Columns of the input of a linear that share a range; 0 = the whole token.</param>
    public TrainingBlock(BlockLayout layout, int tokens, int activationBits, int keyValueBits, TrainingRotary? rotary, int activationGroup = 0)
    {
        _layout = layout;
        int levels = Levels(activationBits), headLevels = Levels(keyValueBits), inner = tokens * layout.Intermediate;
        _attentionInput = new TrainingInput(layout, BlockNorm.Attention, tokens, levels, activationGroup);
        _mlpInput = new TrainingInput(layout, BlockNorm.Mlp, tokens, levels, activationGroup);
        _attentionOutput = new TrainingOutput(layout, BlockNorm.AfterAttention, tokens);
        _mlpOutput = new TrainingOutput(layout, BlockNorm.AfterMlp, tokens);
        _q = new TrainingHeads(layout, BlockNorm.Query, tokens, headLevels, rotary);
        _k = new TrainingHeads(layout, BlockNorm.Key, tokens, headLevels, rotary);
        _v = new QuantizedTensor(tokens, layout.Attention.KeyValueHeads, layout.Attention.HeadSize, headLevels);
        _attention = new TrainingAttention(layout.Attention, tokens);
        _attended = new QuantizedTensor(tokens, 1, layout.Attention.QueryWidth, levels, activationGroup);
        _h = new QuantizedTensor(tokens, 1, layout.Intermediate, levels, activationGroup);
        _x1 = new float[tokens * layout.Hidden];
        _gate = new float[layout.Gated ? inner : 0];
        _up = new float[inner];
        _dGate = new float[_gate.Length];
        _dUp = new float[inner];
        _dInput = new float[tokens * layout.Hidden];
        _dX1 = new float[tokens * layout.Hidden];
    }

    /// <summary>Inputs of q/k/v, of the output layer, of gate/up and of down in the last forward pass, before quantization, [token × K].</summary>
    public float[] InputOf(BlockSlot linear) => linear switch
    {
        BlockSlot.Query or BlockSlot.Key or BlockSlot.Value => _attentionInput.Tensor.Values,
        BlockSlot.Output => _attended.Values,
        BlockSlot.Gate or BlockSlot.Up => _mlpInput.Tensor.Values,
        _ => _h.Values,
    };

    /// <summary>y of a sequence; keeps what <see cref="Backward"/> needs.</summary>
    /// <param name="parameters">Weights as they are multiplied (quantized and dequantized for a student).</param>
    /// <param name="x">[token × hidden].</param>
    /// <param name="y">Like <paramref name="x"/>.</param>
    /// <param name="count">Tokens.</param>
    public void Forward(BlockTensors parameters, float[] x, float[] y, int count)
    {
        _count = count;
        _attentionInput.Forward(x, parameters, count);
        float[] input = _attentionInput.Tensor.Quantized;
        Linear(parameters[BlockSlot.Query], input, _q.Tensor.Values);
        Linear(parameters[BlockSlot.Key], input, _k.Tensor.Values);
        Linear(parameters[BlockSlot.Value], input, _v.Values);
        _q.Forward(parameters, count);
        _k.Forward(parameters, count);
        _v.Quantize(count);
        _attention.Forward(_q.Tensor.Quantized, _k.Tensor.Quantized, _v.Quantized, _attended.Values, count);
        _attended.Quantize(count);
        Linear(parameters[BlockSlot.Output], _attended.Quantized, _x1);
        _attentionOutput.Forward(_x1, x, parameters, count);

        _mlpInput.Forward(_x1, parameters, count);
        Linear(parameters[BlockSlot.Up], _mlpInput.Tensor.Quantized, _up);
        if (_layout.Gated)
        {
            Linear(parameters[BlockSlot.Gate], _mlpInput.Tensor.Quantized, _gate);
            TrainingActivation.Gate(_layout.Activation, _gate, _up, _h.Values, count, _layout.Intermediate);
        }
        else
        {
            TrainingActivation.Apply(_layout.Activation, _up, _h.Values, count, _layout.Intermediate);
        }

        _h.Quantize(count);
        Linear(parameters[BlockSlot.Down], _h.Quantized, y);
        _mlpOutput.Forward(y, _x1, parameters, count);
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
        int values = _count * _layout.Hidden;
        LinearBackward(BlockSlot.Down, _mlpOutput.Backward(dy, parameters, gradients, _count), _h.Quantized, _h.Gradient);
        _h.Backward(_count);
        float[] input = _mlpInput.Tensor.Quantized, dInput = _mlpInput.Tensor.Gradient;
        if (_layout.Gated)
        {
            TrainingActivation.GateBackward(_layout.Activation, _gate, _up, _h.Gradient, _dGate, _dUp, _count, _layout.Intermediate);
            LinearBackward(BlockSlot.Up, _dUp, input, dInput);
            AddLinearBackward(BlockSlot.Gate, _dGate, input, dInput);
        }
        else
        {
            TrainingActivation.ApplyBackward(_layout.Activation, _up, _h.Gradient, _dUp, _count, _layout.Intermediate);
            LinearBackward(BlockSlot.Up, _dUp, input, dInput);
        }

        dy.AsSpan(0, values).CopyTo(_dX1);
        _mlpInput.Backward(parameters, _dX1, gradients, _count);

        LinearBackward(BlockSlot.Output, _attentionOutput.Backward(_dX1, parameters, gradients, _count), _attended.Quantized, _attended.Gradient);
        _attended.Backward(_count);
        _attention.Backward(_attended.Gradient, dAttention, _q.Tensor.Gradient, _k.Tensor.Gradient, _v.Gradient, _count);
        _v.Backward(_count);
        (input, dInput) = (_attentionInput.Tensor.Quantized, _attentionInput.Tensor.Gradient);
        LinearBackward(BlockSlot.Query, _q.Backward(parameters, gradients, _count), input, dInput);
        AddLinearBackward(BlockSlot.Key, _k.Backward(parameters, gradients, _count), input, dInput);
        AddLinearBackward(BlockSlot.Value, _v.Gradient, input, dInput);
        if (dx is not null)
        {
            _dX1.AsSpan(0, values).CopyTo(dx);
        }

        _attentionInput.Backward(parameters, dx, gradients, _count);

        void AddLinearBackward(BlockSlot slot, float[] upstream, float[] x, float[] sum)
        {
            LinearBackward(slot, upstream, x, _dInput);
            TensorPrimitives.Add(sum.AsSpan(0, values), _dInput.AsSpan(0, values), sum.AsSpan(0, values));
        }

        void LinearBackward(BlockSlot slot, float[] upstream, float[] x, float[] result)
        {
            LinearTensors layer = parameters[slot], gradient = gradients[slot];
            ReadOnlySpan<float> d = upstream.AsSpan(0, _count * layer.Rows);
            FloatGemm.MultiplyNN(d, layer.Weight, result.AsSpan(0, _count * layer.Columns), _count, layer.Columns, layer.Rows);
            FloatGemm.MultiplyTN(d, x.AsSpan(0, _count * layer.Columns), gradient.Weight, layer.Rows, layer.Columns, _count);
            if (gradient.Bias is { } bias)
            {
                ColumnMath.SumColumns(upstream, bias, _count, layer.Rows);
            }
        }
    }

    private static int Levels(int bits) => bits == 16 ? 0 : (1 << bits) - 1;

    private void Linear(LinearTensors layer, float[] x, float[] y)
    {
        FloatGemm.Multiply(x.AsSpan(0, _count * layer.Columns), layer.Weight, y.AsSpan(0, _count * layer.Rows), _count, layer.Rows, layer.Columns);
        if (layer.Bias is { } bias)
        {
            WorkerPool.Run(_count, t => TensorPrimitives.Add(y.AsSpan(t * layer.Rows, layer.Rows), bias, y.AsSpan(t * layer.Rows, layer.Rows)));
        }
    }
}
