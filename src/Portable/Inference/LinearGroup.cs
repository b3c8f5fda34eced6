using Portable.Execution;
using Portable.Models;

namespace Portable.Inference;

/// <summary>
/// Linear layers that read one activation: runs of neighbours with the same quantizer become one operation, and each
/// distinct quantizer becomes one input.
/// </summary>
internal sealed class LinearGroup
{
    private readonly List<(DeviceInput Input, DeviceLinear Linear, int Column)> _runs = [];

    public LinearGroup(Workspace workspace, IReadOnlyList<LinearWeights> parts, int sourceColumns)
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
            DeviceLinear linear = workspace.Executor.Upload(parts.Skip(start).Take(end - start).ToList());
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
