using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Training;

/// <summary>Trainable values on the device with their moments, and their gradient where it has memory of its own.</summary>
internal sealed class DeviceParameters
{
    private readonly float _rate;
    private readonly GpuBuffer _values, _first, _second;

    /// <summary>Starts at given values.</summary>
    /// <param name="kernels">Owns the memory.</param>
    /// <param name="values">The values.</param>
    /// <param name="rate">η before the schedule.</param>
    public DeviceParameters(TrainingKernels kernels, float[] values, float rate)
    {
        (_rate, _values) = (rate, kernels.Allocate(values));
        (_first, _second) = (kernels.Zeros(values.Length), kernels.Zeros(values.Length));
        Gradient = kernels.Allocate(values.Length).Address;
    }

    /// <summary>Starts at 0; the gradient lies elsewhere.</summary>
    public DeviceParameters(TrainingKernels kernels, long count, float rate) => (_rate, _values, _first, _second) = (rate, kernels.Zeros(count), kernels.Zeros(count), kernels.Zeros(count));

    /// <summary>The values.</summary>
    public ulong Values => _values.Address;

    /// <summary>∂loss/∂values, or 0.</summary>
    public ulong Gradient { get; }

    /// <summary>Adds a step of AdamW over rows × columns.</summary>
    /// <param name="program">The program.</param>
    /// <param name="step">Where the step's factors lie.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="gradient">Where the gradient lies, if not in memory of its own.</param>
    /// <param name="rowRates">Factors of η per row, or 0.</param>
    public void Step(TrainingProgram program, ulong step, int rows, int columns, ulong gradient = 0, ulong rowRates = 0) => TrainingKernels.Elements(
        program,
        "AdamW",
        new TrainingAdamShader { Workgroup = 256, RowRates = rowRates != 0 },
        new TrainingAdamPush(Values, gradient == 0 ? Gradient : gradient, _first.Address, _second.Address, rowRates, step, (uint)columns, _rate, 0.9f, 0.999f, 1e-8f),
        rows,
        columns);
}
