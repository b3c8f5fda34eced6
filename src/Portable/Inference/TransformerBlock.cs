using Portable.Execution;
using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Inference;

/// <summary>One decoder block on an executor, as its layout says.</summary>
internal sealed class TransformerBlock
{
    private readonly BlockLayout _layout;
    private readonly DeviceNorm? _attentionNorm, _mlpNorm, _afterAttention, _afterMlp;
    private readonly LinearGroup _qkv, _output, _up, _down;
    private readonly DeviceHeads _heads;
    private readonly DeviceCache _cache;
    private readonly DeviceActivation _qkvValues, _attended, _upValues;
    private readonly DeviceActivation? _part;

    /// <summary>Takes a block to the workspace's executor.</summary>
    /// <param name="workspace">What the blocks of the model share.</param>
    /// <param name="weights">The block.</param>
    /// <param name="keyValueBits">Bits of its cache.</param>
    /// <param name="lazily">Whether weights go there when they are first used.</param>
    /// <param name="single">Takes layers there one by one; null = neighbours go together.</param>
    /// <param name="cache">A cache to share with a block that never runs on the same sequences at the same time; null = its own.</param>
    public TransformerBlock(Workspace workspace, BlockWeights weights, int keyValueBits, bool lazily = false, Func<LinearWeights, DeviceLinear>? single = null, DeviceCache? cache = null)
    {
        Executor executor = workspace.Executor;
        _layout = weights.Layout;
        LinearGroup Group(BlockInput input) => new(workspace, weights.Reading(input), _layout.Columns(input), lazily, single);
        DeviceNorm? Norm(BlockNorm norm) => _layout.Norms.Contains(norm) ? executor.Upload(weights[norm], _layout.NormEpsilon) : null;
        _attentionNorm = Norm(BlockNorm.Attention);
        _mlpNorm = Norm(BlockNorm.Mlp);
        _afterAttention = Norm(BlockNorm.AfterAttention);
        _afterMlp = Norm(BlockNorm.AfterMlp);
        _part = _layout.HasNormsAfter ? workspace.Part : null;
        _qkv = Group(BlockInput.Attention);
        _output = Group(BlockInput.Output);
        _up = Group(BlockInput.Mlp);
        _down = Group(BlockInput.Down);
        _heads = new DeviceHeads(workspace.Rotary(_layout.Rotary), Norm(BlockNorm.Query), Norm(BlockNorm.Key));
        _cache = cache ?? workspace.Cache(_layout.Attention, keyValueBits);
        (_qkvValues, _attended, _upValues) = workspace.Intermediates(_qkv.OutputFeatures, _layout.Attention.QueryWidth, _up.OutputFeatures);
    }

    /// <summary>Its keys and values.</summary>
    public DeviceCache Cache => _cache;

    /// <summary>Runs the block on the rows of the current batch.</summary>
    /// <param name="executor">Runs the operations.</param>
    /// <param name="x">The hidden states.</param>
    /// <param name="observe">Is shown the inputs of the linears (calibration), or null.</param>
    /// <param name="last">The input behind which the block is left, its result not being wanted; null = it is run to its end.</param>
    /// <param name="attended">What attention has given, where the block is entered behind it; x is what entered the block.</param>
    /// <param name="behindAttention">Whether the block is entered in front of its MLP.</param>
    public void Forward(
        Executor executor, DeviceActivation x, Action<BlockInput, DeviceInput>? observe = null, BlockInput? last = null, DeviceActivation? attended = null, bool behindAttention = false)
    {
        if (attended is not null)
        {
            executor.Prepare(attended, _output.Inputs);
            Leave(executor, _output, _afterAttention, x);
        }

        if (attended is null && !behindAttention && !Attend(executor, x, observe, last))
        {
            return;
        }

        Enter(executor, x, _mlpNorm, _up.Inputs);
        observe?.Invoke(BlockInput.Mlp, _up.Inputs[0]);
        if (last == BlockInput.Mlp)
        {
            return;
        }

        _up.Forward(executor, _upValues);
        if (_layout.Gated)
        {
            executor.Gate(_upValues, _layout.Activation, _down.Inputs);
        }
        else
        {
            executor.Activate(_upValues, _layout.Activation, _down.Inputs);
        }

        observe?.Invoke(BlockInput.Down, _down.Inputs[0]);
        if (last is null)
        {
            Leave(executor, _down, _afterMlp, x);
        }
    }

    /// <summary>Attention, and what it adds.</summary>
    /// <returns>Whether the block goes on behind it.</returns>
    private bool Attend(Executor executor, DeviceActivation x, Action<BlockInput, DeviceInput>? observe, BlockInput? last)
    {
        Enter(executor, x, _attentionNorm, _qkv.Inputs);
        observe?.Invoke(BlockInput.Attention, _qkv.Inputs[0]);
        if (last == BlockInput.Attention)
        {
            return false;
        }

        _qkv.Forward(executor, _qkvValues);
        executor.Attention(_qkvValues, _layout.Attention, _heads, _cache, _attended);
        executor.Prepare(_attended, _output.Inputs);
        observe?.Invoke(BlockInput.Output, _output.Inputs[0]);
        if (last == BlockInput.Output)
        {
            return false;
        }

        Leave(executor, _output, _afterAttention, x);
        return true;
    }

    private static void Enter(Executor executor, DeviceActivation x, DeviceNorm? norm, DeviceInput[] inputs)
    {
        if (norm is null)
        {
            executor.Prepare(x, inputs);
        }
        else
        {
            executor.Normalize(x, norm, inputs);
        }
    }

    private void Leave(Executor executor, LinearGroup linear, DeviceNorm? norm, DeviceActivation x)
    {
        if (norm is null)
        {
            linear.ForwardResidual(executor, x);
        }
        else
        {
            linear.Forward(executor, _part!);
            executor.AddNormalized(_part!, norm, x);
        }
    }
}
