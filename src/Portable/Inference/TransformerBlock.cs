using Portable.Execution;
using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Inference;

/// <summary>Activations and inputs shared by all blocks: one buffer per use and shape, allocated once.</summary>
internal sealed class Workspace(Executor executor, ModelConfig config)
{
    private readonly Dictionary<(int, int, int), (DeviceActivation, DeviceActivation, DeviceActivation)> _intermediates = [];
    private readonly List<DeviceInput> _inputs = [];

    /// <summary>The residual stream.</summary>
    public DeviceActivation Hidden { get; } = executor.CreateActivation(config.HiddenSize);

    /// <summary>Queries, keys and values, and what is attended; then, when those are no longer needed, gate and up.</summary>
    public (DeviceActivation QueryKeyValue, DeviceActivation Attended, DeviceActivation Up) Intermediates(int queryKeyValue, int attended, int up)
    {
        if (!_intermediates.TryGetValue((queryKeyValue, attended, up), out var activations))
        {
            DeviceActivation[][] phases = executor.CreateActivations([queryKeyValue, attended], [up]);
            activations = (phases[0][0], phases[0][1], phases[1][0]);
            _intermediates.Add((queryKeyValue, attended, up), activations);
        }

        return activations;
    }

    /// <summary>An input of linear layers: it is read before the next one of its kind is written, so one is enough for all.</summary>
    public DeviceInput Input(InputSpec spec)
    {
        foreach (DeviceInput input in _inputs)
        {
            if (input.Spec.Matches(spec))
            {
                return input;
            }
        }

        DeviceInput created = executor.CreateInput(spec);
        _inputs.Add(created);
        return created;
    }

    public ModelConfig Config => config;
}

/// <summary>
/// Linear layers that read one activation: runs of neighbours with the same quantizer become one operation, and each
/// distinct quantizer becomes one input.
/// </summary>
internal sealed class LinearGroup
{
    private readonly List<(DeviceInput Input, DeviceLinear Linear, int Column)> _runs = [];

    public LinearGroup(Executor executor, Workspace workspace, IReadOnlyList<LinearWeights> parts, int sourceColumns)
    {
        int column = 0;
        for (int start = 0; start < parts.Count;)
        {
            InputSpec spec = InputSpec.Of(parts[start], sourceColumns);
            int end = start + 1;
            while (end < parts.Count && InputSpec.Of(parts[end], sourceColumns).Matches(spec))
            {
                end++;
            }

            DeviceInput input = workspace.Input(spec);
            DeviceLinear linear = executor.Upload(parts.Skip(start).Take(end - start).ToList());
            _runs.Add((input, linear, column));
            column += linear.OutputFeatures;
            start = end;
        }

        OutputFeatures = column;
        Inputs = _runs.Select(r => r.Input).Distinct().ToArray();
    }

    public DeviceInput[] Inputs { get; }

    public int OutputFeatures { get; }

    public void Forward(Executor executor, DeviceActivation y)
    {
        foreach ((DeviceInput input, DeviceLinear linear, int column) in _runs)
        {
            executor.Linear(input, linear, y, column);
        }
    }

    /// <summary>For a group of one layer, whose output is added to the residual stream.</summary>
    public void ForwardResidual(Executor executor, DeviceActivation x) => executor.LinearResidual(_runs[0].Input, _runs[0].Linear, x);
}

/// <summary>One decoder block on an executor.</summary>
internal sealed class TransformerBlock
{
    private readonly AttentionLayout _attention;
    private readonly DeviceNorm _attentionNorm, _mlpNorm;
    private readonly LinearGroup _qkv, _output, _up, _down;
    private readonly DeviceCache _cache;
    private readonly DeviceActivation _qkvValues, _attended, _upValues;
    private readonly bool _gated;

    public TransformerBlock(Executor executor, Workspace workspace, ModelConfig config, BlockWeights weights, CacheShape cache)
    {
        _attention = new AttentionLayout(config.Heads, config.KeyValueHeads, config.HeadSize);
        _gated = weights.Gate is not null;
        _attentionNorm = executor.Upload(weights.AttentionNorm, config.NormEpsilon);
        _mlpNorm = executor.Upload(weights.MlpNorm, config.NormEpsilon);
        _qkv = new LinearGroup(executor, workspace, [weights.Query, weights.Key, weights.Value], config.HiddenSize);
        _output = new LinearGroup(executor, workspace, [weights.Output], config.QueryWidth);
        _up = new LinearGroup(executor, workspace, weights.Gate is { } gate ? [gate, weights.Up] : [weights.Up], config.HiddenSize);
        _down = new LinearGroup(executor, workspace, [weights.Down], config.IntermediateSize);
        _cache = executor.CreateCache(cache);
        (_qkvValues, _attended, _upValues) = workspace.Intermediates(_qkv.OutputFeatures, config.QueryWidth, _up.OutputFeatures);
    }

    /// <summary>Runs the block on the rows of the current batch.</summary>
    /// <param name="executor">Runs the operations.</param>
    /// <param name="x">The hidden states.</param>
    /// <param name="rotary">Rotary table, or null.</param>
    /// <param name="observe">Is shown the inputs of the linears (calibration), or null.</param>
    /// <param name="finish">Whether the last product, which no input of this block depends on, is wanted.</param>
    public void Forward(Executor executor, DeviceActivation x, DeviceRotary? rotary, Action<BlockInput, DeviceInput>? observe = null, bool finish = true)
    {
        executor.Normalize(x, _attentionNorm, _qkv.Inputs);
        observe?.Invoke(BlockInput.Attention, _qkv.Inputs[0]);
        _qkv.Forward(executor, _qkvValues);
        executor.Attention(_qkvValues, _attention, rotary, _cache, _attended);
        executor.Prepare(_attended, _output.Inputs);
        observe?.Invoke(BlockInput.Output, _output.Inputs[0]);
        _output.ForwardResidual(executor, x);

        executor.Normalize(x, _mlpNorm, _up.Inputs);
        observe?.Invoke(BlockInput.Mlp, _up.Inputs[0]);
        _up.Forward(executor, _upValues);
        if (_gated)
        {
            executor.Gate(_upValues, _down.Inputs);
        }
        else
        {
            executor.Relu(_upValues, _down.Inputs);
        }

        observe?.Invoke(BlockInput.Down, _down.Inputs[0]);
        if (finish)
        {
            _down.ForwardResidual(executor, x);
        }
    }
}
