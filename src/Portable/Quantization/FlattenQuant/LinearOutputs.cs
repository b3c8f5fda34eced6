using System.Numerics.Tensors;
using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Quantization.Baselines;

namespace Portable.Quantization.FlattenQuant;

/// <summary>What linear layers give for rows at hand, by the kernels that serve them.</summary>
/// <param name="device">Where they run.</param>
internal sealed class LinearOutputs(ICalibrationDevice device)
{
    private readonly Dictionary<string, ExactOutputs> _exact = [];

    /// <summary>Where they run.</summary>
    public ICalibrationDevice Device => device;

    /// <summary>Outputs of a float layer for its inputs, which are the same in every call; without its bias.</summary>
    public ExactOutputs Exact(LinearWeights linear, float[] x)
    {
        if (!_exact.TryGetValue(linear.Name, out ExactOutputs? known))
        {
            int columns = linear.InputFeatures();
            float[] y = Of(linear, x, columns);
            double sum = 0;
            foreach (float value in y)
            {
                sum += (double)value * value;
            }

            known = new ExactOutputs(y, sum / (x.Length / columns), TensorPrimitives.Min<float>(y), TensorPrimitives.Max<float>(y));
            _exact.Add(linear.Name, known);
        }

        return known;
    }

    /// <summary>Outputs of a layer without its bias, tokens × N.</summary>
    /// <param name="linear">Float or quantized.</param>
    /// <param name="x">Tokens × K.</param>
    /// <param name="columns">K.</param>
    public float[] Of(LinearWeights linear, float[] x, int columns)
    {
        using Executor executor = device.CreateExecutor();
        DeviceLinear uploaded = executor.Upload([linear with { Bias = null }]);
        DeviceActivation rows = executor.CreateActivation(columns), results = executor.CreateActivation(linear.OutputFeatures);
        DeviceInput input = executor.CreateInput(InputSpec.Of(linear, columns));
        int tokens = x.Length / columns;
        float[] y = new float[tokens * linear.OutputFeatures];
        for (int start = 0; start < tokens; start += executor.MaximumRows)
        {
            int count = Math.Min(executor.MaximumRows, tokens - start);
            executor.Begin(new Batch(new int[count], new int[count], [.. Enumerable.Range(0, count)], []));
            executor.Write(rows, x.AsSpan(start * columns, count * columns));
            executor.Prepare(rows, [input]);
            executor.Linear(input, uploaded, results, 0);
            executor.End();
            executor.Read(results, y.AsSpan(start * linear.OutputFeatures, count * linear.OutputFeatures));
        }

        return y;
    }
}

/// <summary>What a float layer gives.</summary>
/// <param name="Values">Tokens × N.</param>
/// <param name="MeanEnergy">Σ over outputs of their mean square.</param>
/// <param name="Minimum">The smallest.</param>
/// <param name="Maximum">The largest.</param>
internal sealed record ExactOutputs(float[] Values, double MeanEnergy, float Minimum, float Maximum);
