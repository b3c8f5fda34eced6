using Portable.Execution;
using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;

namespace Portable.Inference;

/// <summary>What all blocks of a model share on an executor: activations, inputs, rotary tables, one of each use and shape, made once.</summary>
/// <param name="executor">Makes them.</param>
/// <param name="hidden">Width of the residual stream.</param>
/// <param name="sequences">Cache slots.</param>
/// <param name="context">Declared length of a sequence: positions in caches and rotary tables.</param>
/// <param name="table">Which pages sequences have; null = each its own.</param>
internal sealed class Workspace(Executor executor, int hidden, int sequences, int context, PageTable? table = null)
{
    private readonly Dictionary<(int, int, int), (DeviceActivation, DeviceActivation, DeviceActivation)> _intermediates = [];
    private readonly Dictionary<RotaryLayout, DeviceRotary> _rotaries = [];
    private readonly List<DeviceInput> _inputs = [];
    private DeviceActivation? _part;

    /// <summary>The device.</summary>
    public Executor Executor => executor;

    /// <summary>The residual stream.</summary>
    public DeviceActivation Hidden { get; } = executor.CreateActivation(hidden);

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

    /// <summary>What attention and MLP give where it is normalised before it is added.</summary>
    public DeviceActivation Part => _part ??= executor.CreateActivation(hidden);

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

    /// <summary>The rotary table of a layout, or null for none.</summary>
    public DeviceRotary? Rotary(RotaryLayout? layout)
    {
        if (layout is not null && !_rotaries.ContainsKey(layout))
        {
            _rotaries.Add(layout, executor.CreateRotary(layout.Table(context)));
        }

        return layout is null ? null : _rotaries[layout];
    }

    /// <summary>Whether a cache made so far gives up positions behind a window.</summary>
    public bool Forgets { get; private set; }

    /// <summary>The cache of a block.</summary>
    public DeviceCache Cache(AttentionLayout layout, int bits)
    {
        CacheShape shape = CacheShape.For(layout, bits, sequences, context, executor.MaximumRows, table);
        Forgets |= shape.Wraps;
        return executor.CreateCache(shape);
    }
}
