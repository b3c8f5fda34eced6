using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Training;

/// <summary>
/// One decoder block over one sequence on the device, forward and backward, with the activation and KV quantizers of the runtime: operation
/// for operation Portable.Reference's TrainingBlock.
/// </summary>
internal sealed class TrainingDeviceBlock : IDisposable
{
    private readonly BlockLayout _layout;
    private readonly int _tokens;
    private readonly TrainingKernels _kernels;
    private readonly ITrainingProducts _products;
    private readonly Dictionary<BlockNorm, TrainingDeviceNorm> _norms = [];
    private readonly TrainingRows _attentionInput, _mlpInput, _q, _k, _v, _attended, _h;
    private readonly TrainingDeviceAttention _attention;
    private readonly ulong _x1, _gate, _up, _dGate, _dUp, _dInput, _dX1, _partGradient, _queryGradient, _keyGradient;
    private readonly (ulong Cosines, ulong Sines)[] _rotary = [];

    /// <summary>Allocates the buffers of sequences of a length.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="products">Its products.</param>
    /// <param name="layout">The block.</param>
    /// <param name="tokens">T.</param>
    /// <param name="activationBits">Bits of the input of every linear; 16 = not quantized.</param>
    /// <param name="keyValueBits">Bits of q, k and v; 16 = not quantized.</param>
    /// <param name="activationGroup">Columns of the input of a linear that share a range; 0 = the whole token.</param>
    /// <param name="backward">Whether gradients are wanted.</param>
    public TrainingDeviceBlock(VulkanContext gpu, ITrainingProducts products, BlockLayout layout, int tokens, int activationBits, int keyValueBits, int activationGroup, bool backward)
    {
        (_layout, _tokens, _products, _kernels) = (layout, tokens, products, new TrainingKernels(gpu));
        try
        {
            AttentionLayout heads = layout.Attention;
            int levels = Levels(activationBits), headLevels = Levels(keyValueBits);
            long hidden = (long)tokens * layout.Hidden, inner = (long)tokens * layout.Intermediate;
            ulong Room(long values, bool wanted = true) => wanted ? _kernels.Allocate(values).Address : 0;
            InputBuffer = _kernels.Allocate(hidden);
            _x1 = Room(hidden);
            OutputBuffer = _kernels.Allocate(hidden);
            _attentionInput = new TrainingRows(_kernels, tokens, 1, layout.Hidden, levels, activationGroup, backward, layout.HasNormsBefore ? 0 : Input);
            _mlpInput = new TrainingRows(_kernels, tokens, 1, layout.Hidden, levels, activationGroup, backward, layout.HasNormsBefore ? 0 : _x1);
            _q = new TrainingRows(_kernels, tokens, heads.Heads, heads.HeadSize, headLevels, 0, backward);
            _k = new TrainingRows(_kernels, tokens, heads.KeyValueHeads, heads.HeadSize, headLevels, 0, backward);
            _v = new TrainingRows(_kernels, tokens, heads.KeyValueHeads, heads.HeadSize, headLevels, 0, backward);
            _attended = new TrainingRows(_kernels, tokens, 1, heads.QueryWidth, levels, activationGroup, backward);
            _h = new TrainingRows(_kernels, tokens, 1, layout.Intermediate, levels, activationGroup, backward);
            _attention = new TrainingDeviceAttention(_kernels, heads, tokens, backward);
            (_gate, _up) = (Room(inner, layout.Gated), Room(inner));
            (_dGate, _dUp) = (Room(inner, backward && layout.Gated), Room(inner, backward));
            (_dInput, _dX1, OutputGradient) = (Room(hidden, backward), Room(hidden, backward), Room(hidden, backward));
            _partGradient = Room(hidden, backward && layout.HasNormsAfter);
            bool normalised = backward && heads.QueryKeyNorm != QueryKeyNorm.None;
            (_queryGradient, _keyGradient) = (Room((long)tokens * heads.QueryWidth, normalised), Room((long)tokens * heads.KeyValueWidth, normalised));
            foreach (BlockNorm norm in layout.Norms)
            {
                _norms.Add(norm, new TrainingDeviceNorm(_kernels, tokens, Runs(norm), layout.WidthOf(norm), layout.NormEpsilon, layout.HasBias(norm)));
            }

            if (layout.Rotary is { } rotary)
            {
                RotaryTable table = rotary.Table(tokens);
                float[] All(Func<int, ReadOnlyMemory<float>> row) => [.. Enumerable.Range(0, tokens).SelectMany(t => row(t).ToArray())];
                (ulong, ulong) keys = (_kernels.Allocate(All(t => table.Cosine(t).ToArray())).Address, _kernels.Allocate(All(t => table.Sine(t).ToArray())).Address);
                (ulong, ulong) queries = table.HasQueryFactors
                    ? (_kernels.Allocate(All(t => table.QueryCosine(t).ToArray())).Address, _kernels.Allocate(All(t => table.QuerySine(t).ToArray())).Address)
                    : keys;
                _rotary = [keys, queries];
            }
        }
        catch
        {
            _kernels.Dispose();
            throw;
        }
    }

    /// <summary>x, [token × hidden].</summary>
    public GpuBuffer InputBuffer { get; }

    /// <summary>y.</summary>
    public GpuBuffer OutputBuffer { get; }

    /// <summary>Where y is.</summary>
    public ulong Output => OutputBuffer.Address;

    private ulong Input => InputBuffer.Address;

    /// <summary>∂/∂y.</summary>
    public ulong OutputGradient { get; }

    /// <summary>Inputs of q/k/v, of the output layer, of gate/up and of down in the last forward pass, before quantization.</summary>
    public ulong InputOf(BlockSlot linear) => linear switch
    {
        BlockSlot.Query or BlockSlot.Key or BlockSlot.Value => _attentionInput.Values,
        BlockSlot.Output => _attended.Values,
        BlockSlot.Gate or BlockSlot.Up => _mlpInput.Values,
        _ => _h.Values,
    };

    /// <summary>Adds the forward pass.</summary>
    /// <param name="program">The program.</param>
    /// <param name="linears">The layers.</param>
    /// <param name="norms">The norms.</param>
    public void Forward(TrainingProgram program, Func<BlockSlot, TrainingMatrix> linears, Func<BlockNorm, TrainingVectors> norms)
    {
        int hidden = _layout.Hidden;
        Norm(BlockNorm.Attention, Input, _attentionInput.Values);
        _attentionInput.Quantize(program);
        Linear(BlockSlot.Query, _attentionInput.Quantized, _q.Values);
        Linear(BlockSlot.Key, _attentionInput.Quantized, _k.Values);
        Linear(BlockSlot.Value, _attentionInput.Quantized, _v.Values);
        Heads(BlockNorm.Query, _q);
        Heads(BlockNorm.Key, _k);
        _v.Quantize(program);
        _attention.Forward(program, _q.Quantized, _k.Quantized, _v.Quantized, _attended.Values);
        _attended.Quantize(program);
        Linear(BlockSlot.Output, _attended.Quantized, _x1);
        Norm(BlockNorm.AfterAttention, _x1, _x1);
        TrainingKernels.Sum(program, _x1, Input, _x1, _tokens, hidden);

        Norm(BlockNorm.Mlp, _x1, _mlpInput.Values);
        _mlpInput.Quantize(program);
        Linear(BlockSlot.Up, _mlpInput.Quantized, _up);
        if (_layout.Gated)
        {
            Linear(BlockSlot.Gate, _mlpInput.Quantized, _gate);
        }

        Gate(program, backward: false);
        _h.Quantize(program);
        Linear(BlockSlot.Down, _h.Quantized, Output);
        Norm(BlockNorm.AfterMlp, Output, Output);
        TrainingKernels.Sum(program, Output, _x1, Output, _tokens, hidden);

        void Norm(BlockNorm norm, ulong x, ulong y)
        {
            if (_norms.TryGetValue(norm, out TrainingDeviceNorm? device))
            {
                device.Forward(program, x, norms(norm), y);
            }
        }

        void Heads(BlockNorm norm, TrainingRows rows)
        {
            Norm(norm, rows.Values, rows.Values);
            Rotate(program, rows.Values, norm, backward: false);
            rows.Quantize(program);
        }

        void Linear(BlockSlot slot, ulong x, ulong y)
        {
            TrainingMatrix w = linears(slot);
            _products.Add(program, "forward products", new ProductOperand(x), new ProductOperand(w.Address, w.Type), y, _tokens, w.Rows, w.Columns);
            if (w.Bias != 0)
            {
                TrainingKernels.Sum(program, y, w.Bias, y, _tokens, w.Rows, oneRow: true);
            }
        }
    }

    /// <summary>Adds the mean over heads of the attention probabilities, [query × token].</summary>
    public void MeanAttention(TrainingProgram program, ulong mean) => _attention.Mean(program, mean);

    /// <summary>Adds the gradients of the last forward pass.</summary>
    /// <param name="program">The program.</param>
    /// <param name="linears">The layers of that pass, f32.</param>
    /// <param name="norms">Its norms.</param>
    /// <param name="dAttention">∂/∂ mean attention, or 0.</param>
    /// <param name="gradients">∂/∂ gain and bias of a norm; 0 where nobody needs them.</param>
    /// <param name="reached">Told of each layer when ∂/∂ its output and its quantized input are there: adds what it makes of them.</param>
    /// <param name="dx">∂/∂x, or 0 where nobody needs it.</param>
    public void Backward(
        TrainingProgram program, Func<BlockSlot, TrainingMatrix> linears, Func<BlockNorm, TrainingVectors> norms, ulong dAttention, Func<BlockNorm, TrainingVectors> gradients,
        Action<BlockSlot, ulong, ulong> reached, ulong dx = 0)
    {
        int hidden = _layout.Hidden;
        Linear(BlockSlot.Down, After(BlockNorm.AfterMlp, OutputGradient), _h.Quantized, _h.Gradient);
        _h.Backward(program);
        Gate(program, backward: true);
        Linear(BlockSlot.Up, _dUp, _mlpInput.Quantized, _mlpInput.Gradient);
        if (_layout.Gated)
        {
            AddLinear(BlockSlot.Gate, _dGate, _mlpInput);
        }

        _mlpInput.Backward(program);
        Before(BlockNorm.Mlp, _mlpInput.Gradient, OutputGradient, _dX1);

        Linear(BlockSlot.Output, After(BlockNorm.AfterAttention, _dX1), _attended.Quantized, _attended.Gradient);
        _attended.Backward(program);
        _attention.Backward(program, _attended.Gradient, dAttention, _q.Gradient, _k.Gradient, _v.Gradient);
        _v.Backward(program);
        Linear(BlockSlot.Query, Heads(BlockNorm.Query, _q, _queryGradient), _attentionInput.Quantized, _attentionInput.Gradient);
        AddLinear(BlockSlot.Key, Heads(BlockNorm.Key, _k, _keyGradient), _attentionInput);
        AddLinear(BlockSlot.Value, _v.Gradient, _attentionInput);
        _attentionInput.Backward(program);
        Before(BlockNorm.Attention, _attentionInput.Gradient, _dX1, dx);

        // The stream's gradient behind a norm before a part: what came along the stream, and what comes through the part.
        void Before(BlockNorm norm, ulong upstream, ulong along, ulong result)
        {
            if (!_norms.TryGetValue(norm, out TrainingDeviceNorm? device))
            {
                if (result != 0)
                {
                    TrainingKernels.Sum(program, along, upstream, result, _tokens, hidden);
                }

                return;
            }

            if (result != 0)
            {
                device.Backward(program, upstream, norms(norm), _dInput, added: false, gradients(norm));
                TrainingKernels.Sum(program, along, _dInput, result, _tokens, hidden);
            }
            else
            {
                device.Backward(program, upstream, norms(norm), 0, false, gradients(norm));
            }
        }

        ulong After(BlockNorm norm, ulong upstream)
        {
            if (!_norms.TryGetValue(norm, out TrainingDeviceNorm? device))
            {
                return upstream;
            }

            device.Backward(program, upstream, norms(norm), _partGradient, added: false, gradients(norm));
            return _partGradient;
        }

        ulong Heads(BlockNorm norm, TrainingRows rows, ulong result)
        {
            rows.Backward(program);
            Rotate(program, rows.Gradient, norm, backward: true);
            if (!_norms.TryGetValue(norm, out TrainingDeviceNorm? device))
            {
                return rows.Gradient;
            }

            device.Backward(program, rows.Gradient, norms(norm), result, added: false, gradients(norm));
            return result;
        }

        void AddLinear(BlockSlot slot, ulong upstream, TrainingRows input)
        {
            Linear(slot, upstream, input.Quantized, _dInput);
            TrainingKernels.Sum(program, input.Gradient, _dInput, input.Gradient, _tokens, hidden);
        }

        void Linear(BlockSlot slot, ulong upstream, ulong x, ulong result)
        {
            TrainingMatrix w = linears(slot);
            _products.Add(program, "dX products", new ProductOperand(upstream), new ProductOperand(w.Address, w.Type, Columns: true), result, _tokens, w.Columns, w.Rows);
            reached(slot, upstream, x);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _kernels.Dispose();

    private static int Levels(int bits) => bits == 16 ? 0 : (1 << bits) - 1;

    private int Runs(BlockNorm norm) => (norm, _layout.Attention.QueryKeyNorm) switch
    {
        (BlockNorm.Query, QueryKeyNorm.Heads) => _layout.Attention.Heads,
        (BlockNorm.Key, QueryKeyNorm.Heads) => _layout.Attention.KeyValueHeads,
        _ => 1,
    };

    private void Rotate(TrainingProgram program, ulong x, BlockNorm which, bool backward)
    {
        if (_rotary.Length == 0)
        {
            return;
        }

        AttentionLayout heads = _layout.Attention;
        bool queries = which == BlockNorm.Query;
        int count = queries ? heads.Heads : heads.KeyValueHeads, pairs = _layout.Rotary!.Dimensions / 2;
        (ulong cosines, ulong sines) = _rotary[queries ? 1 : 0];
        TrainingKernels.Elements(
            program, "rotary", new TrainingRotaryShader { Workgroup = 256, Backward = backward }, new TrainingRotaryPush(x, cosines, sines, (uint)count, (uint)heads.HeadSize, (uint)pairs), _tokens, count * pairs);
    }

    private void Gate(TrainingProgram program, bool backward) => TrainingKernels.Elements(
        program,
        backward ? "gate backward" : "gate",
        new TrainingGateShader { Workgroup = 256, Activation = _layout.Activation, Gated = _layout.Gated, Backward = backward },
        new TrainingGatePush(_gate, _up, backward ? _h.Gradient : _h.Values, _dGate, _dUp, (uint)_layout.Intermediate),
        _tokens,
        _layout.Intermediate);
}
