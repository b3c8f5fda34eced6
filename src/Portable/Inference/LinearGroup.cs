using Portable.Execution;
using Portable.Models;

namespace Portable.Inference;

/// <summary>
/// Linear layers that read one activation: runs of neighbours with the same quantizer become one operation, and each
/// distinct quantizer becomes one input.
/// </summary>
internal sealed class LinearGroup
{
    private readonly List<(DeviceInput Input, Lazy<DeviceLinear> Linear, int Column)> _runs = [];

    /// <summary>Takes layers to the workspace's executor.</summary>
    /// <param name="workspace">What blocks share.</param>
    /// <param name="parts">The layers.</param>
    /// <param name="sourceColumns">Columns of what they read.</param>
    /// <param name="lazily">Whether weights go there when they are first used: of a block that is not run to its end some never are.</param>
    /// <param name="single">Takes layers there one by one; null = neighbours go together.</param>
    public LinearGroup(Workspace workspace, IReadOnlyList<LinearWeights> parts, int sourceColumns, bool lazily = false, Func<LinearWeights, DeviceLinear>? single = null)
    {
        int column = 0;
        for (int start = 0; start < parts.Count;)
        {
            InputSpec spec = InputSpec.Of(parts[start], sourceColumns);
            int end = start + 1;
            while (single is null && end < parts.Count && InputSpec.Of(parts[end], sourceColumns).Matches(spec))
            {
                end++;
            }

            DeviceInput input = workspace.Input(spec);
            List<LinearWeights> run = [.. parts.Skip(start).Take(end - start)];
            Lazy<DeviceLinear> linear = lazily ? new(() => workspace.Executor.Upload(run), isThreadSafe: false) : new(single?.Invoke(run[0]) ?? workspace.Executor.Upload(run));
            _runs.Add((input, linear, column));
            column += run.Sum(part => part.OutputFeatures);
            start = end;
        }

        OutputFeatures = column;
        Inputs = _runs.Select(r => r.Input).Distinct().ToArray();
    }

    public DeviceInput[] Inputs { get; }

    public int OutputFeatures { get; }

    public void Forward(Executor executor, DeviceActivation y)
    {
        foreach ((DeviceInput input, Lazy<DeviceLinear> linear, int column) in _runs)
        {
            executor.Linear(input, linear.Value, y, column);
        }
    }

    /// <summary>For a group of one layer, whose output is added to the residual stream.</summary>
    public void ForwardResidual(Executor executor, DeviceActivation x) => executor.LinearResidual(_runs[0].Input, _runs[0].Linear.Value, x);
}
